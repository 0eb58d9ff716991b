/* x over the root of the sum of its squares. Source of the arithmetic: TFLite's reference_integer_ops/l2normalization.h
   and GetInvSqrtQuantizedMultiplierExp. */
#include "ek_fixed_functions.h"
#include "ek_normalising.h"

/* mantissa * 2^(shift - 31) is 1 / sqrt(x); 0 counts as 1. Newton's method in Q3. */
static int32_t inverse_root(uint32_t x, int32_t *shift) {
  int32_t right = 11, root = 1 << 28;
  *shift = 0;
  if (x <= 1) return INT32_MAX;
  for (; x >= UINT32_C(1) << 29; x >>= 2) ++right;
  const int32_t pairs = (ek_leading_zeros(x) - 1) / 2 - 1;
  const int32_t half = ek_divide_by_pot((int32_t)(x << (2 * pairs) >> 1), 1);
  right -= pairs;
  for (int32_t i = 0; i < 5; ++i) {
    const int32_t cube = ek_saturated_left(ek_high_mul(ek_high_mul(root, root), root), 6);
    root = ek_saturated_left(ek_high_mul(3 << 27, root) - ek_high_mul(half, cube), 3);
  }
  root = ek_high_mul(root, 1518500250); /* root of a half */
  if (right < 0) return ek_shift_left(root, -right);
  *shift = -right;
  return root;
}

ek_status ek_l2_normalization_s8(const ek_l2_normalization_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t row = 0; row < p->rows; ++row) {
    uint32_t sum = 0;
    int32_t shift;
    for (int32_t i = 0; i < p->depth; ++i) {
      const int32_t steps = x[i] - p->zero;
      sum += (uint32_t)(steps * steps);
    }
    const int32_t mantissa = inverse_root(sum, &shift);
    for (const int8_t *const end = x + p->depth; x != end; ++x)
      *y++ = (int8_t)ek_clamp(ek_scale(*x - p->zero, mantissa, shift + 7), INT8_MIN, INT8_MAX);
  }
  return EK_OK;
}
