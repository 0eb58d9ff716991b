/* The sum of several values of one scale. Source of the arithmetic: TFLite's reference_integer_ops/add.h. */
#include "ek_elementwise.h"

ek_status ek_add_n_s8(const ek_add_n_s8_params *p, const int8_t *x0, const int8_t *x1, const int8_t *x2,
                      const int8_t *x3, const int8_t *x4, const int8_t *x5, const int8_t *x6, const int8_t *x7,
                      int8_t *y) {
  const int8_t *const terms[EK_TERMS] = {x0, x1, x2, x3, x4, x5, x6, x7};
  for (int32_t i = 0; i < p->size; ++i) {
    int32_t sum = p->base;
    for (int32_t k = 0; k < p->count; ++k) sum += terms[k][i];
    y[i] = (int8_t)ek_stored(ek_rescale_down(sum * p->steps, &p->factor), &p->range);
  }
  return EK_OK;
}
