/* The body of every ek_extreme_<type> and ek_arg_extreme_<type>. EK_ELEMENT is the type; EK_FLIPPED(x, flip) turns the
   order of the numbers around, and back; EK_BEYOND(x, best) says whether x takes the place of `best`. */
#include "ek_reduction.h"

#ifdef EK_EXTREME
ek_status EK_EXTREME(const ek_extreme_params *p, const void *x, void *y) {
  const ek_reduced *r = &p->axes;
  const int32_t row = r->middle * r->near * r->inner;
  const EK_ELEMENT *from = (const EK_ELEMENT *)x;
  EK_ELEMENT *to = (EK_ELEMENT *)y;
  for (int32_t o = 0; o < r->outer; ++o, from += r->far * row) {
    for (int32_t m = 0; m < r->middle; ++m) {
      for (int32_t i = 0; i < r->inner; ++i) {
        const EK_ELEMENT *first = from + m * r->near * r->inner + i;
        EK_ELEMENT best = EK_FLIPPED(*first, p->flip);
        for (int32_t f = 0; f < r->far; ++f, first += row) {
          const EK_ELEMENT *at = first;
          for (int32_t n = 0; n < r->near; ++n, at += r->inner) {
            const EK_ELEMENT value = EK_FLIPPED(*at, p->flip);
            if (EK_BEYOND(value, best)) best = value;
          }
        }
        *to++ = EK_FLIPPED(best, p->flip);
      }
    }
  }
  return EK_OK;
}
#endif

#ifdef EK_ARG_EXTREME
static int32_t place(const ek_arg_extreme_params *p, const EK_ELEMENT *at) {
  int32_t found = 0;
  EK_ELEMENT best = EK_FLIPPED(*at, p->flip);
  for (int32_t n = 1; n < p->count; ++n) {
    const EK_ELEMENT value = EK_FLIPPED(at[n * p->inner], p->flip);
    if (EK_BEYOND(value, best)) {
      best = value;
      found = n;
    }
  }
  return found;
}

ek_status EK_ARG_EXTREME(const ek_arg_extreme_params *p, const void *x, void *y) {
  const EK_ELEMENT *from = (const EK_ELEMENT *)x;
  int32_t written = 0;
  for (int32_t o = 0; o < p->outer; ++o, from += p->count * p->inner) {
    for (int32_t i = 0; i < p->inner; ++i, ++written) {
      const int32_t found = place(p, from + i);
      if (p->wide) {
        ((int64_t *)y)[written] = found;
      } else {
        ((int32_t *)y)[written] = found;
      }
    }
  }
  return EK_OK;
}
#endif
