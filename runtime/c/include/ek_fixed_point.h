/* Integer arithmetic as gemmlowp and TensorFlow Lite define it (gemmlowp fixedpoint.h): double rounding. */
#ifndef EK_FIXED_POINT_H
#define EK_FIXED_POINT_H

#include <stdint.h>

/* (a * b * 2) >> 32, rounded; both INT32_MIN saturates. Halves go up: TFLite's rounding away from zero and its division
   towards zero come to just that. */
static inline int32_t ek_doubling_high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return (int32_t)(((int64_t)a * b + (INT32_C(1) << 30)) >> 31);
}

/* x / 2^exponent, halves away from zero; exponent 0 to 31 */
static inline int32_t ek_divide_by_pot(int32_t x, int32_t exponent) {
  const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1u);
  const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

/* the same of x > INT32_MIN: half the instructions */
static inline int32_t ek_divide_by_pot_above_min(int32_t x, int32_t exponent) {
  return exponent == 0 ? x : (((x + (x >> 31)) >> (exponent - 1)) + 1) >> 1;
}

/* x * 2^bits in 32 bits that wrap */
static inline int32_t ek_shift_left(int32_t x, int32_t bits) { return (int32_t)((uint32_t)x << bits); }

/* x * multiplier * 2^(shift - 31): MultiplyByQuantizedMultiplier. multiplier is not negative, shift -31 to 30 */
static inline int32_t ek_scale(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int64_t product = (int64_t)ek_shift_left(x, left) * multiplier;
  return ek_divide_by_pot_above_min((int32_t)((product + (INT32_C(1) << 30)) >> 31), left - shift);
}

static inline int32_t ek_clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

#endif
