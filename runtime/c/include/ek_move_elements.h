/* The body of every ek_move_<type>: EK_ELEMENT is the type, EK_MOVE the name. */
#include "ek_walk.h"

static void row(const EK_ELEMENT *from, int32_t from_step, EK_ELEMENT *to, int32_t to_step, int32_t count) {
  for (; count > 0; --count, from += from_step, to += to_step) *to = *from;
}

static void listed_row(const EK_ELEMENT *from, const int32_t *places, int32_t step, EK_ELEMENT *to, int32_t to_step,
                       int32_t count) {
  for (; count > 0; --count, places += step, to += to_step) *to = from[*places];
}

ek_status EK_MOVE(const ek_move_params *p, const void *x, void *y) {
  const int32_t rows = p->axes - 2, run = p->axes - 1, count = p->count[run];
  const int32_t step = p->backward ? -1 : 1, first = p->backward ? count - 1 : 0;
  const int32_t *places = p->listed[run] < 0 ? 0 : p->places + p->listed[run] + first;
  const int32_t from_step = step * p->from[run], to_step = step * p->to[run];
  ek_walk walk;
  ek_walk_start(p, &walk);
  do {
    for (int32_t k = 0; k < p->count[rows]; ++k) {
      const int32_t i = p->backward ? p->count[rows] - 1 - k : k;
      const EK_ELEMENT *from = (const EK_ELEMENT *)x + walk.from + ek_place(p, rows, i);
      EK_ELEMENT *to = (EK_ELEMENT *)y + walk.to + i * p->to[rows] + first * p->to[run];
      if (places) {
        listed_row(from, places, step, to, to_step, count);
      } else {
        row(from + first * p->from[run], from_step, to, to_step, count);
      }
    }
  } while (ek_walk_next(p, &walk));
  return EK_OK;
}
