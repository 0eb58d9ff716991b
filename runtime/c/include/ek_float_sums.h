/* What the float kernels of ek_weighted.h share. */
#ifndef EK_FLOAT_SUMS_H
#define EK_FLOAT_SUMS_H

#include "ek_weighted.h"

static inline float ek_dot_f32(float sum, const float *x, const float *w, int32_t n) {
  for (int32_t i = 0; i < n; ++i) sum += x[i] * w[i];
  return sum;
}

static inline float ek_finished_f32(const ek_finish_f32 *f, float sum, int32_t channel) {
  sum += f->bias[channel];
  return sum < f->low ? f->low : sum > f->high ? f->high : sum;
}

#endif
