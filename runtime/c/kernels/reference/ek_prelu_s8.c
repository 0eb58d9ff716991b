/* x above 0, alpha * x below. Source of the arithmetic: TFLite's reference/prelu.h. */
#include "ek_elementwise.h"

static void run(const ek_prelu_s8_params *p, const int8_t *x, const int8_t *alpha, int8_t *y) {
  const ek_range range = p->range; /* a copy cannot change with y */
  for (int8_t *const end = y + p->over.run; y != end; ++y) {
    const int32_t steps = *x + p->x_offset, slope = *alpha + p->alpha_offset;
    const int32_t made = steps < 0 ? ek_rescale(steps * slope, &p->below) : ek_rescale(steps, &p->above);
    *y = (int8_t)ek_stored(made, &range);
    x += p->over.steps[0];
    alpha += p->over.steps[1];
  }
}

ek_status ek_prelu_s8(const ek_prelu_s8_params *p, const int8_t *x, const int8_t *alpha, int8_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, x + i.at[0], alpha + i.at[1], y + i.done * over->run);
  return EK_OK;
}
