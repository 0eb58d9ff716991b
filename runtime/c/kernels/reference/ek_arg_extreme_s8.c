/* Where the largest or smallest element is. */
#define EK_ELEMENT int8_t
#define EK_FLIPPED(x, flip) ((int8_t)((x) ^ (flip)))
#define EK_BEYOND(x, best) ((x) > (best))
#define EK_ARG_EXTREME ek_arg_extreme_s8
#include "ek_extreme_elements.h"
