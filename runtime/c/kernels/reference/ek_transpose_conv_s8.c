/* Transposed convolution, output by output. Source of the arithmetic: TFLite's reference_integer_ops/transpose_conv.h.
 */
#include "ek_transposed.h"
#include "ek_weighted_sums.h"

static void sums_of(const ek_transpose_conv_s8_params *p, const ek_source *source, const int8_t *x,
                    const int8_t *weights, int32_t lanes, int32_t *sums) {
  const ek_window *w = &p->window;
  const ek_meetings *rows = &source->rows, *columns = &source->columns;
  for (int32_t i = 0; i < rows->count; ++i) {
    for (int32_t j = 0; j < columns->count; ++j) {
      const int8_t *from = x + ((rows->at - i) * w->in_w + columns->at - j) * w->in_c;
      const int32_t tap = (rows->tap + i * w->stride_h) * w->kernel_w + columns->tap + j * w->stride_w;
      ek_dots_s8(sums, from, p->offset, weights + tap * w->in_c, w->kernel_h * w->kernel_w * w->in_c, lanes, w->in_c);
    }
  }
}

ek_status ek_transpose_conv_s8(const ek_transpose_conv_s8_params *p, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  for (int32_t i = 0; i < ek_view_count(w); ++i) {
    const ek_source source = ek_source_of(w, i);
    for (int32_t o = 0, lanes; o < w->out_c; o += lanes) {
      int32_t sums[EK_LANES] = {0};
      lanes = ek_lanes(w->out_c - o);
      sums_of(p, &source, x + source.picture, p->weights + o * w->kernel_h * w->kernel_w * w->in_c, lanes, sums);
      for (int32_t k = 0; k < lanes; ++k)
        y[source.pixel * w->out_c + o + k] = ek_requantized_s8(&p->requantize, sums[k], o + k);
    }
  }
  return EK_OK;
}
