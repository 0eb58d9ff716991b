/* a * b. Source of the arithmetic: TFLite's reference_integer_ops/mul.h. */
#include "ek_elementwise.h"

static void run(const ek_mul_params *p, const int16_t *a, const int16_t *b, int16_t *y) {
  const ek_range range = p->range; /* a copy cannot change with y */
  for (int16_t *const end = y + p->over.run; y != end; ++y) {
    const int32_t product = (*a + p->a_offset) * (*b + p->b_offset);
    *y = (int16_t)ek_stored(ek_rescale_any(product, &p->factor), &range);
    a += p->over.steps[0];
    b += p->over.steps[1];
  }
}

ek_status ek_mul_s16(const ek_mul_params *p, const int16_t *a, const int16_t *b, int16_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, a + i.at[0], b + i.at[1], y + i.done * over->run);
  return EK_OK;
}
