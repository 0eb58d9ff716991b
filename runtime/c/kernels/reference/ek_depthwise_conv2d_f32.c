/* Depthwise convolution. */
#include "ek_float_sums.h"

static float sum_of(const ek_window *w, const ek_view *view, const float *x, const float *weights) {
  const int32_t column_x = w->dilation_w * w->in_c, next_w = w->kernel_w - view->columns;
  const int32_t next_x = w->dilation_h * w->in_w * w->in_c - view->columns * column_x;
  float sum = 0.0f;
  for (int32_t i = view->rows; i > 0; --i, x += next_x, weights += next_w)
    for (int32_t j = view->columns; j > 0; --j, x += column_x) sum += *x * *weights++;
  return sum;
}

/* A channel is written after all taps of its own number have been read: the output may lie in place of the input. */
ek_status ek_depthwise_conv2d_f32(const ek_depthwise_conv2d_f32_params *p, const float *x, float *y) {
  const ek_window *w = &p->window;
  ek_view view;
  ek_first_view(w, &view);
  for (int32_t n = ek_view_count(w); n > 0; --n, ek_next_view(w, &view)) {
    for (int32_t c = 0; c < w->in_c; ++c) {
      const float *weights = p->weights + c * w->kernel_h * w->kernel_w + view.tap;
      y[view.pixel * w->in_c + c] = ek_finished_f32(&p->finish, sum_of(w, &view, x + view.x + c, weights), c);
    }
  }
  return EK_OK;
}
