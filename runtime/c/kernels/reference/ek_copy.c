/* Runs of neighbours, whatever their type. A run may lie over itself. */
#include <string.h>

#include "ek_walk.h"

ek_status ek_copy(const ek_move_params *p, const void *x, void *y) {
  const int32_t last = p->axes - 1;
  ek_walk walk;
  ek_walk_start(p, &walk);
  do {
    memmove((uint8_t *)y + walk.to[last], (const uint8_t *)x + walk.from[last], (size_t)p->count[last]);
  } while (ek_walk_next(p, &walk));
  return EK_OK;
}
