/* Product with a constant matrix. Source of the arithmetic: TFLite's reference_integer_ops/fully_connected.h. */
#include "ek_weighted_sums.h"

ek_status ek_fully_connected_s8(const ek_fully_connected_s8_params *p, const int8_t *x, int8_t *y) {
  const ek_runs runs = {1, 1, p->depth, 0, 0, 0, 0, p->depth, p->offset};
  for (int32_t i = 0; i < p->rows; ++i) {
    const int32_t row = p->backward ? p->rows - 1 - i : i;
    for (int32_t unit = 0; unit < p->units; unit += EK_BLOCK) {
      const int32_t units = ek_least(p->units - unit, EK_BLOCK);
      int32_t sums[EK_BLOCK];
      ek_sum_block_s8(sums, units, p->requantize.bias + unit, &runs, x + row * p->depth, p->weights + unit * p->depth);
      ek_requantize_s8(&p->requantize, unit, sums, units, y + row * p->units + unit);
    }
  }
  return EK_OK;
}
