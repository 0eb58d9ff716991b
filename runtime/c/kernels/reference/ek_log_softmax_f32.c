/* The logarithm of Softmax. */
#include <math.h>

#include "ek_normalising.h"

ek_status ek_log_softmax_f32(const ek_rows_f32_params *p, const float *x, float *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    float largest = x[0], sum = 0.0f;
    for (int32_t i = 1; i < p->depth; ++i) largest = x[i] > largest ? x[i] : largest;
    for (int32_t i = 0; i < p->depth; ++i) sum += expf(x[i] - largest);
    sum = logf(sum);
    for (int32_t i = 0; i < p->depth; ++i) y[i] = x[i] - largest - sum;
    x += p->depth;
    y += p->depth;
  }
  return EK_OK;
}
