/* float32 to integers. Source of the arithmetic: TFLite's reference/quantize.h. */
#include "ek_integers.h"
#include "ek_quantization.h"

/* Compared as floats: a float that an int32 cannot hold must not be converted. */
static int32_t clamped(float steps, int32_t low, int32_t high) {
  if (!(steps > (float)low)) return low;
  return steps < (float)high ? (int32_t)steps : high;
}

ek_status ek_quantize_f32(const ek_quantize_f32_params *p, const float *x, void *y) {
  for (int32_t i = 0; i < p->size; ++i) {
    const float steps = x[i] / p->scale;
    ek_store_s32(y, p->to, i, clamped(steps < 0.0f ? steps - 0.5f : steps + 0.5f, p->low, p->high) + p->zero);
  }
  return EK_OK;
}
