/* SVDF of floats. Source of the arithmetic: TFLite's reference/svdf.h. */
#include "ek_recurrent.h"

static float dot(const float *a, const float *b, int32_t n) {
  float sum = 0.0f;
  for (int32_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

ek_status ek_svdf_f32(const ek_svdf_f32_params *p, const float *x, const float *state, float *y, float *next) {
  for (int32_t n = 0; n < p->batch; ++n, x += p->features) {
    for (int32_t f = 0; f < p->filters; f += p->rank) {
      float sum = p->bias[f / p->rank];
      for (int32_t r = f; r < f + p->rank; ++r, state += p->memory, next += p->memory) {
        for (int32_t m = 0; m < p->memory - 1; ++m) next[m] = state[m + 1];
        next[p->memory - 1] = dot(x, p->feature + r * p->features, p->features);
        sum += dot(next, p->time + r * p->memory, p->memory);
      }
      *y++ = sum < p->low ? p->low : sum > p->high ? p->high : sum;
    }
  }
  return EK_OK;
}
