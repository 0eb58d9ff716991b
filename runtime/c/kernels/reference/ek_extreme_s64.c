/* The largest or smallest element. */
#define EK_ELEMENT int64_t
#define EK_FLIPPED(x, flip) ((int64_t)((x) ^ (flip)))
#define EK_BEYOND(x, best) ((x) > (best))
#define EK_EXTREME ek_extreme_s64
#include "ek_extreme_elements.h"
