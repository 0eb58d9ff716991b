/* Elements of int32_t by their places. */
#define EK_ELEMENT int32_t
#define EK_MOVE ek_move_s32
#include "ek_move_elements.h"
