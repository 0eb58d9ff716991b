/* The sum of several values. */
#include "ek_functions_f32.h"

ek_status ek_add_n_f32(const ek_add_n_f32_params *p, const float *x0, const float *x1, const float *x2, const float *x3,
                       const float *x4, const float *x5, const float *x6, const float *x7, float *y) {
  const float *const terms[] = {x0, x1, x2, x3, x4, x5, x6, x7};
  for (int32_t i = 0; i < p->size; ++i) {
    float sum = terms[0][i];
    for (int32_t k = 1; k < p->count; ++k) sum += terms[k][i];
    y[i] = sum;
  }
  return EK_OK;
}
