/* Sums and means. Source of the arithmetic: QuantizedMeanOrSum of TFLite's reference/reduce.h. */
#include "ek_fixed_point.h"
#include "ek_reduction.h"

static int32_t sum(const ek_reduced *r, const int8_t *x) {
  const int32_t row = r->middle * r->near * r->inner;
  int32_t total = 0;
  for (int32_t f = 0; f < r->far; ++f, x += row) {
    const int8_t *at = x;
    for (int32_t n = 0; n < r->near; ++n, at += r->inner) total += *at;
  }
  return total;
}

ek_status ek_sum_s8(const ek_sum_s8_params *p, const int8_t *x, int8_t *y) {
  const ek_reduced *r = &p->axes;
  const int32_t row = r->middle * r->near * r->inner;
  for (int32_t o = 0; o < r->outer; ++o, x += r->far * row) {
    for (int32_t m = 0; m < r->middle; ++m) {
      for (int32_t i = 0; i < r->inner; ++i) {
        const int32_t total = sum(r, x + m * r->near * r->inner + i) + p->offset;
        *y++ = (int8_t)(ek_clamp(ek_scale(total, p->multiplier, p->shift), p->low, p->high) + p->zero);
      }
    }
  }
  return EK_OK;
}
