/* Runs of neighbours, whatever their type. A run may lie over itself: the parts of a Concat often do. */
#include <string.h>

#include "ek_walk.h"

ek_status ek_copy(const ek_move_params *p, const void *x, void *y) {
  const int32_t rows = p->axes - 2;
  const size_t run = (size_t)p->count[p->axes - 1];
  ek_walk walk;
  ek_walk_start(p, &walk);
  do {
    for (int32_t k = 0; k < p->count[rows]; ++k) {
      const int32_t i = p->backward ? p->count[rows] - 1 - k : k;
      const uint8_t *from = (const uint8_t *)x + walk.from + ek_place(p, rows, i);
      uint8_t *to = (uint8_t *)y + walk.to + i * p->to[rows];
      if (to != from) memmove(to, from, run);
    }
  } while (ek_walk_next(p, &walk));
  return EK_OK;
}
