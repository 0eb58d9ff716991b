/* Elements of int16_t by their places. */
#define EK_ELEMENT int16_t
#define EK_MOVE ek_move_s16
#include "ek_move_elements.h"
