/* The body of every ek_move_<type>: EK_ELEMENT is the type, EK_MOVE the name. */
#include "ek_walk.h"

ek_status EK_MOVE(const ek_move_params *p, const void *x, void *y) {
  const int32_t last = p->axes - 1, count = p->count[last];
  const int32_t step = p->backward ? -1 : 1, start = p->backward ? count - 1 : 0;
  const int32_t *places = p->listed[last] < 0 ? 0 : p->places + p->listed[last] + start;
  const int32_t from_step = step * p->from[last], to_step = step * p->to[last];
  ek_walk walk;
  ek_walk_start(p, &walk);
  do {
    const EK_ELEMENT *from = (const EK_ELEMENT *)x + walk.from[last];
    EK_ELEMENT *to = (EK_ELEMENT *)y + walk.to[last] + start * p->to[last];
    if (places) {
      for (int32_t i = 0; i < count; ++i, to += to_step) *to = from[places[step * i]];
    } else {
      from += start * p->from[last];
      for (int32_t i = 0; i < count; ++i, from += from_step, to += to_step) *to = *from;
    }
  } while (ek_walk_next(p, &walk));
  return EK_OK;
}
