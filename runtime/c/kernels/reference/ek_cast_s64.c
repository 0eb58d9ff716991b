/* Integers in another type: the low bits. */
#include "ek_integers.h"
#include "ek_quantization.h"

ek_status ek_cast_s64(const ek_cast_params *p, const void *x, void *y) {
  const int32_t size = p->size;
  const ek_dtype from = p->from, to = p->to;
  for (int32_t i = 0; i < size; ++i) ek_store_s64(y, to, i, ek_load_s64(x, from, i));
  return EK_OK;
}
