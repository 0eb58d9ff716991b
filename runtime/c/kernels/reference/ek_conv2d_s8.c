/* Convolution, also grouped and dilated. Source of the arithmetic: TFLite's reference_integer_ops/conv.h. */
#include "ek_weighted_sums.h"

/* Sums of `lanes` channels that see the same input. Neighbouring taps of one row are one run where they can be. */
static void sums_of(const ek_conv2d_s8_params *p, const ek_view *view, const int8_t *x, const int8_t *weights,
                    int32_t lanes, int32_t *sums) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, joined = w->dilation_w == 1 && p->groups == 1;
  const int32_t runs = joined ? 1 : view->columns, run = joined ? view->columns * depth : depth;
  const int32_t channel = w->kernel_h * w->kernel_w * depth;
  for (int32_t i = 0; i < view->rows; ++i) {
    for (int32_t j = 0; j < runs; ++j)
      ek_dots_s8(sums, x + j * w->dilation_w * w->in_c, p->offset, weights + j * depth, channel, lanes, run);
    x += w->dilation_h * w->in_w * w->in_c;
    weights += w->kernel_w * depth;
  }
}

static void pixel(const ek_conv2d_s8_params *p, const ek_view *view, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, per_group = w->out_c / p->groups;
  for (int32_t first = 0; first < w->out_c; first += per_group, x += depth) {
    for (int32_t o = first, lanes; o < first + per_group; o += lanes) {
      int32_t sums[EK_LANES] = {0};
      lanes = ek_lanes(first + per_group - o);
      sums_of(p, view, x, p->weights + (o * w->kernel_h * w->kernel_w + view->tap) * depth, lanes, sums);
      for (int32_t k = 0; k < lanes; ++k) y[o + k] = ek_requantized_s8(&p->requantize, sums[k], o + k);
    }
  }
}

ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t i = 0; i < ek_view_count(&p->window); ++i) {
    const ek_view view = ek_view_of(&p->window, i);
    pixel(p, &view, x + view.x, y + view.pixel * p->window.out_c);
  }
  return EK_OK;
}
