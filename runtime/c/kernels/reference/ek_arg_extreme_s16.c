/* Where the largest or smallest element is. */
#define EK_ELEMENT int16_t
#define EK_FLIPPED(x, flip) ((int16_t)((x) ^ (flip)))
#define EK_BEYOND(x, best) ((x) > (best))
#define EK_ARG_EXTREME ek_arg_extreme_s16
#include "ek_extreme_elements.h"
