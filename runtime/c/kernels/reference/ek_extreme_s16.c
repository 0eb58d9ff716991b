/* The largest or smallest element. */
#define EK_ELEMENT int16_t
#define EK_FLIPPED(x, flip) ((int16_t)((x) ^ (flip)))
#define EK_BEYOND(x, best) ((x) > (best))
#define EK_EXTREME ek_extreme_s16
#include "ek_extreme_elements.h"
