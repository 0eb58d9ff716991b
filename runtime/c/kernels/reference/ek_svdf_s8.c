/* SVDF with a state of 8 bits. */
#define EK_STATE int8_t
#define EK_LOW INT8_MIN
#define EK_HIGH INT8_MAX
#define EK_SVDF ek_svdf_s8
#include "ek_svdf_state.h"
