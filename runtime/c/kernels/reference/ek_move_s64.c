/* Elements of int64_t by their places. */
#define EK_ELEMENT int64_t
#define EK_MOVE ek_move_s64
#include "ek_move_elements.h"
