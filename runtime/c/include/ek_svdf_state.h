/* The body of every ek_svdf_<type of the state>: EK_STATE is the type, EK_LOW and EK_HIGH are its limits. Source of the
   arithmetic: TFLite Micro's svdf_common.cc. */
#include "ek_fixed_point.h"
#include "ek_recurrent.h"

/* What a filter answers to x. */
static EK_STATE newest(const ek_svdf_params *p, const int8_t *x, const int8_t *w) {
  int32_t sum = 0;
  for (int32_t i = 0; i < p->features; ++i) sum += (x[i] + p->offset) * w[i];
  const int32_t scaled = ek_scale(sum, p->into_multiplier, p->into_shift);
  return (EK_STATE)(ek_clamp(scaled, EK_LOW - p->state_zero, EK_HIGH - p->state_zero) + p->state_zero);
}

/* Moves what a filter remembers by one and weighs it; sums wrap as in TFLite. */
static uint32_t remember(const ek_svdf_params *p, EK_STATE answer, const EK_STATE *time, const EK_STATE *state,
                         EK_STATE *next) {
  const int32_t last = p->memory - 1;
  uint32_t sum = 0;
  for (int32_t m = 0; m < last; ++m) {
    next[m] = state[m + 1];
    sum += (uint32_t)(next[m] - p->state_zero) * (uint32_t)time[m];
  }
  next[last] = answer;
  return sum + (uint32_t)(answer - p->state_zero) * (uint32_t)time[last];
}

ek_status EK_SVDF(const ek_svdf_params *p, const int8_t *x, const EK_STATE *state, int8_t *y, EK_STATE *next) {
  for (int32_t n = 0; n < p->batch; ++n, x += p->features) {
    for (int32_t f = 0; f < p->filters; f += p->rank) {
      uint32_t sum = (uint32_t)p->bias[f / p->rank];
      for (int32_t r = f; r < f + p->rank; ++r, state += p->memory, next += p->memory) {
        const EK_STATE answer = newest(p, x, p->feature + r * p->features);
        sum += remember(p, answer, (const EK_STATE *)p->time + r * p->memory, state, next);
      }
      const int32_t scaled = ek_scale((int32_t)sum, p->out_multiplier, p->out_shift);
      *y++ = (int8_t)(ek_clamp(scaled, INT8_MIN - p->zero, INT8_MAX - p->zero) + p->zero);
    }
  }
  return EK_OK;
}
