/* Pictures of another size. ResizeNearest is ek_copy or ek_move. */
#ifndef EK_RESIZING_H
#define EK_RESIZING_H

#include "edgekit.h"

/* Pixel i of an output axis lies at i * step + start of the input, in 1/1024 pixels. */
typedef struct {
  int32_t batch, in_h, in_w, out_h, out_w, channels;
  int32_t step_h, start_h, step_w, start_w;
  int32_t backward; /* from the last output pixel to the first */
} ek_resize_bilinear_s8_params;

/* x [batch][in_h][in_w][channels] -> y [batch][out_h][out_w][channels] */
ek_status ek_resize_bilinear_s8(const ek_resize_bilinear_s8_params *p, const int8_t *x, int8_t *y);

/* The same in pixels. */
typedef struct {
  int32_t batch, in_h, in_w, out_h, out_w, channels;
  float step_h, start_h, step_w, start_w;
  int32_t backward;
} ek_resize_bilinear_f32_params;

ek_status ek_resize_bilinear_f32(const ek_resize_bilinear_f32_params *p, const float *x, float *y);

#endif
