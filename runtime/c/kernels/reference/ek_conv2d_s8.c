/* Convolution, also grouped and dilated. Source of the arithmetic: TFLite's reference_integer_ops/conv.h. */
#include "ek_weighted_sums.h"

/* The taps of a row are neighbours, and one run, where nothing lies between them. */
static ek_runs runs_of(const ek_conv2d_s8_params *p, const ek_view *view) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, joined = w->dilation_w == 1 && p->groups == 1;
  const int32_t runs = joined ? 1 : view->columns, length = joined ? view->columns * depth : depth;
  const int32_t row_x = w->dilation_h * w->in_w * w->in_c;
  return ek_runs_of(view->rows, runs, length, w->dilation_w * w->in_c, depth, row_x, w->kernel_w * depth);
}

static void pixel(const ek_conv2d_s8_params *p, const ek_view *view, const int8_t *x, int8_t *y) {
  ek_runs runs = runs_of(p, view);
  const int32_t depth = p->window.in_c / p->groups;
  const int32_t per_group = p->window.out_c / p->groups;
  const int8_t *weights = p->weights + view->tap * depth;
  runs.output_w = p->window.kernel_h * p->window.kernel_w * depth;
  runs.offset = p->offset;
  for (int32_t o = 0, left = per_group, outputs; o < p->window.out_c; o += outputs) {
    int32_t sums[EK_BLOCK];
    outputs = ek_least(left, EK_BLOCK);
    ek_sum_block_s8(sums, outputs, p->requantize.bias + o, &runs, x, weights);
    ek_requantize_s8(&p->requantize, o, sums, outputs, y + o);
    weights += outputs * runs.output_w;
    left -= outputs;
    if (left == 0) left = per_group, x += depth;
  }
}

ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y) {
  ek_view view;
  ek_first_view(&p->window, &view);
  for (int32_t n = ek_view_count(&p->window); n > 0; --n, ek_next_view(&p->window, &view))
    pixel(p, &view, x + view.x, y + view.pixel * p->window.out_c);
  return EK_OK;
}
