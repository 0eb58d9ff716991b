/* The logarithm of Softmax. Source of the arithmetic: TFLite's reference/log_softmax.h and log_quantized.h. */
#include "ek_row_sums.h"

enum { ROOT_OF_HALF = 1518500250, FOURTH_ROOT_OF_HALF = 1805811301, LOG_2 = 1488522236 };

/* log(r / fourth root of a half) * 2^-6, r in Q0 near that root: a rational approximation */
static int32_t log_near_root(int32_t r) {
  const int32_t p = (int32_t)(((int64_t)r + FOURTH_ROOT_OF_HALF + 1) >> 1);
  const int32_t q = 2 * (r - FOURTH_ROOT_OF_HALF);
  const int32_t square = ek_high_mul(q, q);
  const int32_t numerator = ek_high_mul(q, r) + ek_high_mul(ek_high_mul(q, square), 117049297);
  const int32_t inner = 1057819769 + q + ek_high_mul(127690142, square);
  const int32_t denominator = ek_high_mul(p, inner) + ek_high_mul(638450708, q);
  return ek_high_mul(ek_divide_by_pot(numerator, 6), ek_one_over_one_plus(denominator));
}

/* log(x) in Q5 for x in Q12, 1 <= x < 4096: x = r * 2^power, from the better of two ways to take it apart */
static int32_t log_of(int32_t x) {
  const int32_t zeros = ek_leading_zeros((uint32_t)x);
  const int32_t other = ek_leading_zeros((uint32_t)ek_high_mul(x, ROOT_OF_HALF)) - 1;
  const int32_t r = ek_saturated_left(ek_high_mul(ek_saturated_left(x, zeros - 1), ROOT_OF_HALF), 1);
  const int32_t other_r = ek_saturated_left(x, other);
  const int32_t power = (12 - zeros) * (1 << 25) + (1 << 23);
  const int32_t other_power = (12 - other) * (1 << 25) - (1 << 23);
  const int32_t of_power = ek_high_mul(power > other_power ? power : other_power, LOG_2);
  return ek_saturated_left(of_power + log_near_root(r < other_r ? r : other_r), 1);
}

ek_status ek_log_softmax_s8(const ek_log_softmax_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    const int32_t largest = ek_largest_s8(x, p->depth);
    const int32_t of_sum = log_of((int32_t)ek_sum_of_powers(&p->powers, x, p->depth, largest));
    for (const int8_t *const end = x + p->depth; x != end; ++x) {
      const int32_t below = *x - largest;
      int32_t answer = INT8_MIN;
      if (-below < p->near) answer = ek_divide_by_pot(ek_scale(below, p->multiplier, p->shift) - of_sum, 22) + INT8_MAX;
      *y++ = (int8_t)ek_clamp(answer, INT8_MIN, INT8_MAX);
    }
  }
  return EK_OK;
}
