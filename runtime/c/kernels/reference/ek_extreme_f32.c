/* The largest or smallest element. */
#define EK_ELEMENT float
#define EK_FLIPPED(x, flip) ((x) * (float)(flip))
#define EK_BEYOND(x, best) (!((x) <= (best)) && (best) == (best))
#define EK_EXTREME ek_extreme_f32
#include "ek_extreme_elements.h"
