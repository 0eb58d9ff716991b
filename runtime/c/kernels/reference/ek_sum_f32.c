/* Sums and means. A long sum of floats loses less as a sum of shorter ones. */
#include "ek_reduction.h"

enum { TOGETHER = 64 };

static float sum(const ek_reduced *r, const float *x) {
  const int32_t row = r->middle * r->near * r->inner;
  float total = 0.0f, part = 0.0f;
  int32_t summed = 0;
  for (int32_t f = 0; f < r->far; ++f, x += row) {
    const float *at = x;
    for (int32_t n = 0; n < r->near; ++n, at += r->inner) {
      part += *at;
      if (++summed == TOGETHER) {
        total += part;
        part = 0.0f;
        summed = 0;
      }
    }
  }
  return total + part;
}

ek_status ek_sum_f32(const ek_sum_f32_params *p, const float *x, float *y) {
  const ek_reduced *r = &p->axes;
  const int32_t row = r->middle * r->near * r->inner;
  for (int32_t o = 0; o < r->outer; ++o, x += r->far * row) {
    for (int32_t m = 0; m < r->middle; ++m) {
      for (int32_t i = 0; i < r->inner; ++i) {
        *y++ = sum(r, x + m * r->near * r->inner + i) / p->divisor;
      }
    }
  }
  return EK_OK;
}
