/* SVDF with a state of 16 bits. */
#define EK_STATE int16_t
#define EK_LOW INT16_MIN
#define EK_HIGH INT16_MAX
#define EK_SVDF ek_svdf_s16
#include "ek_svdf_state.h"
