/* A function of one float32 number. */
#include "ek_functions_f32.h"

ek_status ek_map_f32(const ek_map_f32_params *p, const float *x, float *y) {
  for (int32_t i = 0; i < p->size; ++i) y[i] = p->function(x[i]);
  return EK_OK;
}
