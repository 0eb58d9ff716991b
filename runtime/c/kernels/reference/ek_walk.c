/* Nested loops of any depth without recursion: the counters of an odometer. */
#include "ek_walk.h"

/* Where the axes from `axis` on have come to. */
static void place(const ek_move_params *p, ek_walk *walk, int32_t axis) {
  for (; axis < p->axes - 1; ++axis) {
    const int32_t i = p->backward ? p->count[axis] - 1 - walk->at[axis] : walk->at[axis];
    const int32_t listed = p->listed[axis];
    walk->from[axis + 1] = walk->from[axis] + (listed < 0 ? i * p->from[axis] : p->places[listed + i]);
    walk->to[axis + 1] = walk->to[axis] + i * p->to[axis];
  }
}

void ek_walk_start(const ek_move_params *p, ek_walk *walk) {
  for (int32_t axis = 0; axis < p->axes; ++axis) walk->at[axis] = 0;
  walk->from[0] = p->from_start;
  walk->to[0] = p->to_start;
  place(p, walk, 0);
}

int32_t ek_walk_next(const ek_move_params *p, ek_walk *walk) {
  int32_t axis = p->axes - 2;
  for (; axis >= 0 && ++walk->at[axis] == p->count[axis]; --axis) walk->at[axis] = 0;
  if (axis < 0) return 0;
  place(p, walk, axis);
  return 1;
}
