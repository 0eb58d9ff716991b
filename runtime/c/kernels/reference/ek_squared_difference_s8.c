/* (a - b)^2. Source of the arithmetic: TFLite Micro's squared_difference.cc. */
#include "ek_elementwise.h"

static void run(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const ek_range range = p->range; /* a copy cannot change with y */
  for (int8_t *const end = y + p->over.run; y != end; ++y) {
    const int32_t other = ek_rescale_down(*b * p->b_steps + p->b_base, &p->b_factor);
    const int32_t apart = *a * p->a_factor + p->base + other * p->b_sign;
    *y = (int8_t)ek_stored(ek_rescale_down(2 * apart * apart, &p->factor), &range);
    a += p->over.steps[0];
    b += p->over.steps[1];
  }
}

ek_status ek_squared_difference_s8(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, a + i.at[0], b + i.at[1], y + i.done * over->run);
  return EK_OK;
}
