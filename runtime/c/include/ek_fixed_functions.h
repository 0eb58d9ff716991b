/* Functions in fixed point as gemmlowp and TensorFlow Lite define them, once per row of a kernel. Q5: 5 bits before the
   point and 26 behind it. */
#ifndef EK_FIXED_FUNCTIONS_H
#define EK_FIXED_FUNCTIONS_H

#include "ek_fixed_point.h"

/* Leading zero bits; x is not 0. */
static inline int32_t ek_leading_zeros(uint32_t x) {
  int32_t zeros = 0;
  for (; x < UINT32_C(1) << 31; x <<= 1) ++zeros;
  return zeros;
}

/* ek_doubling_high_mul and x * 2^bits, saturated, as calls: small rather than fast */
int32_t ek_high_mul(int32_t a, int32_t b);
int32_t ek_saturated_left(int32_t x, int32_t bits);

/* 1 / (1 + x) for x from 0 to 1, both Q0 */
int32_t ek_one_over_one_plus(int32_t x);

#endif
