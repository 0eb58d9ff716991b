/* Small integers times a real factor, in fewer instructions than ek_scale and with the same answers. */
#ifndef EK_RESCALE_H
#define EK_RESCALE_H

#include "ek_fixed_point.h"

/* The factor multiplier * 2^(left - right - 32). gemmlowp rounds twice: the product, then what shifting right by `right`
   loses, halves away from zero. That second rounding is an addition of 2^(right - 1), which is in `nudge` already, less
   1 for negative numbers. Doubled operands leave the product in the upper word. */
typedef struct {
  int64_t nudge;      /* 2^31, + 2^(31 + right) where right is not 0 */
  int32_t multiplier; /* not negative */
  int32_t left, right;
  int32_t negative; /* -1 where right is not 0, else 0 */
} ek_factor;

/* x * factor as ek_scale makes it, where x * 2^left fits 32 bits. */
static inline int32_t ek_rescale(int32_t x, const ek_factor *factor) {
  const int64_t product = (int64_t)(x * (1 << factor->left)) * factor->multiplier + factor->nudge;
  return ((int32_t)(product >> 32) + ((x >> 31) & factor->negative)) >> factor->right;
}

/* The same without the shift to the left, where right is not 0. */
static inline int32_t ek_rescale_down(int32_t x, const ek_factor *factor) {
  const int64_t product = (int64_t)x * factor->multiplier + factor->nudge;
  return ((int32_t)(product >> 32) + (x >> 31)) >> factor->right;
}

/* The same of any x. */
static inline int32_t ek_rescale_any(int32_t x, const ek_factor *factor) {
  return ek_scale(x, factor->multiplier, factor->left - 1 - factor->right);
}

/* Where a stored integer lies: x becomes x clamped, + zero. */
typedef struct {
  int32_t low, high, zero; /* low and high without the zero */
} ek_range;

static inline int32_t ek_stored(int32_t x, const ek_range *range) {
  return ek_clamp(x, range->low, range->high) + range->zero;
}

#endif
