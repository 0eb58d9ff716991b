/* Convolution, also grouped and dilated. */
#include "ek_float_sums.h"

static float sum_of(const ek_conv2d_f32_params *p, const ek_view *view, const float *x, const float *weights) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, joined = w->dilation_w == 1 && p->groups == 1;
  const int32_t runs = joined ? 1 : view->columns, run = joined ? view->columns * depth : depth;
  float sum = 0.0f;
  for (int32_t i = 0; i < view->rows; ++i) {
    for (int32_t j = 0; j < runs; ++j) sum = ek_dot_f32(sum, x + j * w->dilation_w * w->in_c, weights + j * depth, run);
    x += w->dilation_h * w->in_w * w->in_c;
    weights += w->kernel_w * depth;
  }
  return sum;
}

static void pixel(const ek_conv2d_f32_params *p, const ek_view *view, const float *x, float *y) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, per_group = w->out_c / p->groups;
  for (int32_t first = 0; first < w->out_c; first += per_group, x += depth) {
    for (int32_t o = first; o < first + per_group; ++o) {
      const float *weights = p->weights + (o * w->kernel_h * w->kernel_w + view->tap) * depth;
      y[o] = ek_finished_f32(&p->finish, sum_of(p, view, x, weights), o);
    }
  }
}

ek_status ek_conv2d_f32(const ek_conv2d_f32_params *p, const float *x, float *y) {
  ek_view view;
  ek_first_view(&p->window, &view);
  for (int32_t n = ek_view_count(&p->window); n > 0; --n, ek_next_view(&p->window, &view)) {
    pixel(p, &view, x + view.x, y + view.pixel * p->window.out_c);
  }
  return EK_OK;
}
