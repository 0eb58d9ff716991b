/* Pooling: the largest value of each window, or the mean of those inside of the input, halves away from zero. Input and
   output have one set of parameters. The output may lie over the input as far as edgekit/emitters/c/overlaps.py says.
 */
#ifndef EK_POOLING_H
#define EK_POOLING_H

#include "edgekit.h"
#include "ek_window.h"

typedef struct {
  ek_window window; /* out_c is in_c; no window lies wholly outside of the input */
  int32_t low, high;
} ek_pool2d_params;

typedef struct {
  ek_window window;
  float low, high;
} ek_pool2d_f32_params;

ek_status ek_max_pool2d_s8(const ek_pool2d_params *p, const int8_t *x, int8_t *y);
ek_status ek_max_pool2d_s16(const ek_pool2d_params *p, const int16_t *x, int16_t *y);
ek_status ek_max_pool2d_f32(const ek_pool2d_f32_params *p, const float *x, float *y);

ek_status ek_average_pool2d_s8(const ek_pool2d_params *p, const int8_t *x, int8_t *y);
ek_status ek_average_pool2d_s16(const ek_pool2d_params *p, const int16_t *x, int16_t *y);
ek_status ek_average_pool2d_f32(const ek_pool2d_f32_params *p, const float *x, float *y);

#endif
