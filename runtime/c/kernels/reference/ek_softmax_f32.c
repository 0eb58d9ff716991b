/* exp(beta * x) over its sum, along a row; the largest number is taken off first. */
#include <math.h>

#include "ek_normalising.h"

ek_status ek_softmax_f32(const ek_rows_f32_params *p, const float *x, float *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    float largest = x[0], sum = 0.0f;
    for (int32_t i = 1; i < p->depth; ++i) largest = x[i] > largest ? x[i] : largest;
    for (int32_t i = 0; i < p->depth; ++i) {
      y[i] = expf((x[i] - largest) * p->beta);
      sum += y[i];
    }
    for (int32_t i = 0; i < p->depth; ++i) y[i] /= sum;
    x += p->depth;
    y += p->depth;
  }
  return EK_OK;
}
