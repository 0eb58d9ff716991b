/* What the kernels of ek_weighted.h share. */
#ifndef EK_WEIGHTED_SUMS_H
#define EK_WEIGHTED_SUMS_H

#include "ek_fixed_point.h"
#include "ek_weighted.h"

/* sum + (x + offset) * w over n neighbours */
static inline int32_t ek_dot_s8(int32_t sum, const int8_t *x, const int8_t *w, int32_t n, int32_t offset) {
  for (int32_t i = 0; i < n; ++i) sum += (x[i] + offset) * w[i];
  return sum;
}

static inline int8_t ek_requantized_s8(const ek_requantize *r, int32_t sum, int32_t channel) {
  const int32_t k = r->per_channel ? channel : 0;
  return (int8_t)ek_clamp(ek_scale(sum, r->multipliers[k], r->shifts[k]) + r->zero, r->low, r->high);
}

/* The taps of a window that lie inside of the input, [first, last), for one output row or column. */
typedef struct {
  int32_t first, last, at; /* at: the input row or column of tap 0; may be negative */
} ek_taps;

static inline ek_taps ek_taps_inside(int32_t at, int32_t kernel, int32_t dilation, int32_t size) {
  ek_taps taps = {0, kernel, at};
  while (taps.first < kernel && at + taps.first * dilation < 0) ++taps.first;
  while (taps.last > taps.first && at + (taps.last - 1) * dilation >= size) --taps.last;
  return taps;
}

#endif
