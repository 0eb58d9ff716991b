/* Rows that a model chooses while it runs. */
#include <string.h>

#include "ek_movement.h"

ek_status ek_gather_s64(const ek_gather_params *p, const void *x, const int64_t *indices, void *y) {
  const uint8_t *from = (const uint8_t *)x;
  uint8_t *to = (uint8_t *)y;
  for (int32_t o = 0; o < p->outer; ++o, from += p->size * p->run) {
    for (int32_t i = 0; i < p->count; ++i, to += p->run) {
      const int64_t index = indices[i];
      const int32_t inside = index < 0 ? 0 : index < p->size ? (int32_t)index : p->size - 1;
      memcpy(to, from + inside * p->run, (size_t)p->run);
    }
  }
  return EK_OK;
}
