/* Elements of int8_t by their places. */
#define EK_ELEMENT int8_t
#define EK_MOVE ek_move_s8
#include "ek_move_elements.h"
