/* Source of the arithmetic: TFLite's reference/softmax.h. */
#include "ek_row_sums.h"

ek_softmax_row ek_softmax_row_of(const ek_softmax_params *p, const int8_t *x, int32_t bits) {
  ek_softmax_row row = {ek_largest_s8(x, p->depth), 0, 31};
  const uint32_t sum = ek_sum_of_powers(&p->powers, x, p->depth, row.largest);
  const int32_t headroom = ek_leading_zeros(sum), shift = 43 - bits - headroom;
  if (shift > 31) return row; /* a sum of 512 and more: every answer is below half a step */
  row.mantissa = ek_one_over_one_plus((int32_t)((sum << headroom) & INT32_MAX));
  row.shift = shift;
  return row;
}
