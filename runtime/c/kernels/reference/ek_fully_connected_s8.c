/* Product with a constant matrix. Source of the arithmetic: TFLite's reference_integer_ops/fully_connected.h. */
#include "ek_weighted_sums.h"

ek_status ek_fully_connected_s8(const ek_fully_connected_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    for (int32_t unit = 0; unit < p->units; ++unit) {
      const int32_t bias = p->requantize.bias ? p->requantize.bias[unit] : 0;
      const int32_t sum = ek_dot_s8(bias, x + row * p->depth, p->weights + unit * p->depth, p->depth, p->offset);
      y[row * p->units + unit] = ek_requantized_s8(&p->requantize, sum, unit);
    }
  }
  return EK_OK;
}
