/* Product with a constant matrix. Source of the arithmetic: TFLite's reference_integer_ops/fully_connected.h. */
#include "ek_weighted_sums.h"

ek_status ek_fully_connected_s8(const ek_fully_connected_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t i = 0; i < p->rows; ++i) {
    const int32_t row = p->backward ? p->rows - 1 - i : i;
    for (int32_t unit = 0, lanes; unit < p->units; unit += lanes) {
      int32_t sums[EK_LANES] = {0};
      lanes = ek_lanes(p->units - unit);
      ek_dots_s8(sums, x + row * p->depth, p->offset, p->weights + unit * p->depth, p->depth, lanes, p->depth);
      for (int32_t k = 0; k < lanes; ++k)
        y[row * p->units + unit + k] = ek_requantized_s8(&p->requantize, sums[k], unit + k);
    }
  }
  return EK_OK;
}
