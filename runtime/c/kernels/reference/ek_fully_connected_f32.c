/* Product with a constant matrix. */
#include "ek_float_sums.h"

ek_status ek_fully_connected_f32(const ek_fully_connected_f32_params *p, const float *x, float *y) {
  for (int32_t i = 0; i < p->rows; ++i) {
    const int32_t row = p->backward ? p->rows - 1 - i : i;
    for (int32_t unit = 0; unit < p->units; ++unit) {
      const float sum = ek_dot_f32(0.0f, x + row * p->depth, p->weights + unit * p->depth, p->depth);
      y[row * p->units + unit] = ek_finished_f32(&p->finish, sum, unit);
    }
  }
  return EK_OK;
}
