/* Integers as float32. */
#include "ek_integers.h"
#include "ek_quantization.h"

ek_status ek_cast_s64_to_f32(const ek_cast_params *p, const void *x, float *y) {
  const int32_t size = p->size;
  const ek_dtype from = p->from;
  for (int32_t i = 0; i < size; ++i) y[i] = (float)ek_load_s64(x, from, i);
  return EK_OK;
}
