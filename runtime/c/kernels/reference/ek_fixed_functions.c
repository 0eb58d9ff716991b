/* Source of the arithmetic: gemmlowp fixedpoint.h. */
#include "ek_fixed_functions.h"

int32_t ek_high_mul(int32_t a, int32_t b) { return ek_doubling_high_mul(a, b); }

int32_t ek_saturated_left(int32_t x, int32_t bits) {
  const int64_t wide = (int64_t)x * (INT64_C(1) << bits);
  return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* Newton's method for the reciprocal of (1 + x) / 2, in Q2. */
int32_t ek_one_over_one_plus(int32_t x) {
  const int32_t half = (int32_t)(((int64_t)x + (INT64_C(1) << 31)) >> 1);
  int32_t made = 1515870810 + ek_high_mul(half, -1010580540); /* 48/17 - 32/17 * half */
  for (int32_t i = 0; i < 3; ++i) {
    const int32_t error = (1 << 29) - ek_high_mul(half, made);
    made += ek_saturated_left(ek_high_mul(made, error), 2);
  }
  return ek_saturated_left(made, 1);
}
