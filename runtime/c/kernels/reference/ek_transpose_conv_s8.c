/* Transposed convolution, output by output. Source of the arithmetic: TFLite's reference_integer_ops/transpose_conv.h.
 */
#include "ek_transposed.h"
#include "ek_weighted_sums.h"

static void pixel(const ek_transpose_conv_s8_params *p, const ek_source *source, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  const ek_meetings *rows = &source->rows, *columns = &source->columns;
  const int32_t row_x = -w->in_w * w->in_c, row_w = w->stride_h * w->kernel_w * w->in_c;
  ek_runs runs = ek_runs_of(rows->count, columns->count, w->in_c, -w->in_c, w->stride_w * w->in_c, row_x, row_w);
  const int8_t *from = x + (rows->at * w->in_w + columns->at) * w->in_c;
  const int8_t *weights = p->weights + (rows->tap * w->kernel_w + columns->tap) * w->in_c;
  runs.output_w = w->kernel_h * w->kernel_w * w->in_c;
  runs.offset = p->offset;
  for (int32_t o = 0; o < w->out_c; o += EK_BLOCK) {
    const int32_t outputs = ek_least(w->out_c - o, EK_BLOCK);
    int32_t sums[EK_BLOCK];
    ek_sum_block_s8(sums, outputs, p->requantize.bias + o, &runs, from, weights + o * runs.output_w);
    ek_requantize_s8(&p->requantize, o, sums, outputs, y + o);
  }
}

ek_status ek_transpose_conv_s8(const ek_transpose_conv_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t i = 0; i < ek_view_count(&p->window); ++i) {
    const ek_source source = ek_source_of(&p->window, i);
    pixel(p, &source, x + source.picture, y + source.pixel * p->window.out_c);
  }
  return EK_OK;
}
