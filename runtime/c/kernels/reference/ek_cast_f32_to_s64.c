/* float32 as integers. A float that an int64 cannot hold must not be converted. */
#include "ek_integers.h"
#include "ek_quantization.h"

ek_status ek_cast_f32_to_s64(const ek_cast_f32_to_s64_params *p, const float *x, void *y) {
  const int64_t low = p->low, high = p->high;
  const float lowest = (float)low, highest = (float)high;
  for (int32_t i = 0; i < p->size; ++i) {
    const float value = x[i];
    int64_t made = 0;
    if (p->to == EK_B8)
      made = value != 0.0f;
    else if (value <= lowest)
      made = low;
    else if (value >= highest)
      made = high;
    else if (value == value)
      made = (int64_t)value;
    ek_store_s64(y, p->to, i, made);
  }
  return EK_OK;
}
