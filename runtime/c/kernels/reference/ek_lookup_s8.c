/* Any function from 8 bits to 8 bits. */
#include "ek_functions.h"

ek_status ek_lookup_s8(const ek_lookup_s8_params *p, const int8_t *x, int8_t *y) {
  const int8_t *const table = p->table;
  for (const int8_t *const end = x + p->size; x != end; ++x) *y++ = table[(uint8_t)*x];
  return EK_OK;
}
