/* Integers of 32 bits to float32, by way of double: a float32 does not hold them. */
#include "ek_quantization.h"

ek_status ek_dequantize_s32(const ek_dequantize_params *p, const int32_t *x, float *y) {
  for (int32_t i = 0; i < p->size; ++i) y[i] = (float)(((double)x[i] - p->zero) * (double)p->scale);
  return EK_OK;
}
