/* Integers of 8 and 16 bits to float32: a product that is rounded once. */
#include "ek_integers.h"
#include "ek_quantization.h"

ek_status ek_dequantize_s16(const ek_dequantize_params *p, const void *x, float *y) {
  const int32_t size = p->size, zero = p->zero;
  const ek_dtype from = p->from;
  const float scale = p->scale;
  for (int32_t i = 0; i < size; ++i) y[i] = (float)(ek_load_s32(x, from, i) - zero) * scale;
  return EK_OK;
}
