/* Nested loops of any depth without recursion: the counters of an odometer. */
#include "ek_walk.h"

/* Goes from element i to element `next` of an axis. */
static void go(const ek_move_params *p, ek_walk *walk, int32_t axis, int32_t i, int32_t next) {
  walk->from += ek_place(p, axis, next) - ek_place(p, axis, i);
  walk->to += (next - i) * p->to[axis];
  walk->at[axis] = next;
}

void ek_walk_start(const ek_move_params *p, ek_walk *walk) {
  walk->from = p->from_start;
  walk->to = p->to_start;
  for (int32_t axis = 0; axis < p->axes - 2; ++axis) {
    walk->from += ek_place(p, axis, 0);
    go(p, walk, axis, 0, p->backward ? p->count[axis] - 1 : 0);
  }
}

int32_t ek_walk_next(const ek_move_params *p, ek_walk *walk) {
  for (int32_t axis = p->axes - 3; axis >= 0; --axis) {
    const int32_t i = walk->at[axis], last = p->count[axis] - 1;
    if (i != (p->backward ? 0 : last)) {
      go(p, walk, axis, i, p->backward ? i - 1 : i + 1);
      return 1;
    }
    go(p, walk, axis, i, p->backward ? last : 0);
  }
  return 0;
}
