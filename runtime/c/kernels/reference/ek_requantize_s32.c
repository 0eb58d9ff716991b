/* Integers in another scale or type. Source of the arithmetic: TFLite's reference/requantize.h. */
#include "ek_fixed_point.h"
#include "ek_integers.h"
#include "ek_quantization.h"

ek_status ek_requantize_s32(const ek_requantize_s32_params *p, const void *x, void *y) {
  const int32_t size = p->size;
  const ek_dtype from = p->from, to = p->to;
  for (int32_t i = 0; i < size; ++i) {
    const int32_t steps = (int32_t)((uint32_t)ek_load_s32(x, from, i) - (uint32_t)p->x_zero);
    const int32_t made = ek_scale(steps, p->multiplier, p->shift);
    ek_store_s32(y, to, i, ek_clamp(made, p->low, p->high) + p->zero);
  }
  return EK_OK;
}
