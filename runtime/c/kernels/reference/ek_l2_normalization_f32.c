/* x over the root of the sum of its squares, along a row. */
#include <math.h>

#include "ek_normalising.h"

ek_status ek_l2_normalization_f32(const ek_rows_f32_params *p, const float *x, float *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    float norm = 0.0f;
    for (int32_t i = 0; i < p->depth; ++i) norm += x[i] * x[i];
    norm = sqrtf(norm);
    if (norm < p->smallest) norm = p->smallest;
    for (int32_t i = 0; i < p->depth; ++i) y[i] = x[i] / norm;
    x += p->depth;
    y += p->depth;
  }
  return EK_OK;
}
