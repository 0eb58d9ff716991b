/* Depthwise convolution. */
#include "ek_weighted_sums.h"

static float sum_of(const ek_depthwise_conv2d_f32_params *p, const ek_view *view, const float *x,
                    const float *weights) {
  const ek_window *w = &p->window;
  float sum = 0.0f;
  for (int32_t i = 0; i < view->rows; ++i) {
    const float *from = x, *tap = weights;
    for (int32_t j = view->columns; j > 0; --j, from += w->dilation_w * w->in_c, tap += w->in_c) sum += *from * *tap;
    x += w->dilation_h * w->in_w * w->in_c;
    weights += w->kernel_w * w->in_c;
  }
  return sum;
}

/* A channel is written after all taps of its own number have been read: the output may lie in place of the input. */
ek_status ek_depthwise_conv2d_f32(const ek_depthwise_conv2d_f32_params *p, const float *x, float *y) {
  const int32_t channels = p->window.in_c;
  for (int32_t i = 0; i < ek_view_count(&p->window); ++i) {
    const ek_view view = ek_view_of(&p->window, i);
    const float *from = x + view.x, *weights = p->weights + view.tap * channels;
    float *to = y + view.pixel * channels;
    for (int32_t c = 0; c < channels; ++c)
      to[c] = ek_finished_f32(&p->finish, sum_of(p, &view, from + c, weights + c), c);
  }
  return EK_OK;
}
