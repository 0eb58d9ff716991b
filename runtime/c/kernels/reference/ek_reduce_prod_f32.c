/* Products. */
#include "ek_reduction.h"

static float product(const ek_reduced *r, const float *x) {
  const int32_t row = r->middle * r->near * r->inner;
  float total = 1.0f;
  for (int32_t f = 0; f < r->far; ++f, x += row) {
    const float *at = x;
    for (int32_t n = 0; n < r->near; ++n, at += r->inner) total *= *at;
  }
  return total;
}

ek_status ek_reduce_prod_f32(const ek_reduce_prod_f32_params *p, const float *x, float *y) {
  const ek_reduced *r = &p->axes;
  const int32_t row = r->middle * r->near * r->inner;
  for (int32_t o = 0; o < r->outer; ++o, x += r->far * row) {
    for (int32_t m = 0; m < r->middle; ++m) {
      for (int32_t i = 0; i < r->inner; ++i) {
        *y++ = product(r, x + m * r->near * r->inner + i);
      }
    }
  }
  return EK_OK;
}
