/* What the kernels of ek_weighted.h share. */
#ifndef EK_WEIGHTED_SUMS_H
#define EK_WEIGHTED_SUMS_H

#include "ek_fixed_point.h"
#include "ek_weighted.h"

/* s8: up to four sums at once. The input is read and shifted once for all of them, which halves the instructions. */
enum { EK_LANES = 4 };

static inline int32_t ek_lanes(int32_t left) { return left < EK_LANES ? left : EK_LANES; }

/* sums[k] += (x + offset) * w[k * step] over n neighbours; lanes beyond `lanes` repeat the last one */
static inline void ek_dots_s8(int32_t *sums, const int8_t *x, int32_t offset, const int8_t *w, int32_t step,
                              int32_t lanes, int32_t n) {
  const int8_t *w1 = lanes > 1 ? w + step : w;
  const int8_t *w2 = lanes > 2 ? w1 + step : w1;
  const int8_t *w3 = lanes > 3 ? w2 + step : w2;
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (const int8_t *end = x + n; x != end; ++x) {
    const int32_t value = *x + offset;
    a += value * *w++;
    b += value * *w1++;
    c += value * *w2++;
    d += value * *w3++;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

static inline int8_t ek_requantized_s8(const ek_requantize *r, int32_t sum, int32_t channel) {
  const int32_t k = r->per_channel ? channel : 0;
  const uint32_t bias = r->bias ? (uint32_t)r->bias[channel] : 0;
  const int32_t scaled = ek_scale((int32_t)((uint32_t)sum + bias), r->multipliers[k], r->shifts[k]);
  return (int8_t)(ek_clamp(scaled, r->low, r->high) + r->zero);
}

static inline float ek_dot_f32(float sum, const float *x, const float *w, int32_t n) {
  for (int32_t i = 0; i < n; ++i) sum += x[i] * w[i];
  return sum;
}

static inline float ek_finished_f32(const ek_finish_f32 *f, float sum, int32_t channel) {
  if (f->bias) sum += f->bias[channel];
  return sum < f->low ? f->low : sum > f->high ? f->high : sum;
}

#endif
