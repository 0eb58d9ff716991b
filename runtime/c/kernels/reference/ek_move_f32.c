/* Elements of float by their places. */
#define EK_ELEMENT float
#define EK_MOVE ek_move_f32
#include "ek_move_elements.h"
