/* Transposed convolution, output by output. */
#include "ek_float_sums.h"
#include "ek_transposed.h"

static float sum_of(const ek_transpose_conv_f32_params *p, const ek_source *source, const float *x,
                    const float *weights) {
  const ek_window *w = &p->window;
  const ek_meetings *rows = &source->rows, *columns = &source->columns;
  float sum = 0.0f;
  for (int32_t i = 0; i < rows->count; ++i) {
    for (int32_t j = 0; j < columns->count; ++j) {
      const float *from = x + ((rows->at - i) * w->in_w + columns->at - j) * w->in_c;
      const int32_t tap = (rows->tap + i * w->stride_h) * w->kernel_w + columns->tap + j * w->stride_w;
      sum = ek_dot_f32(sum, from, weights + tap * w->in_c, w->in_c);
    }
  }
  return sum;
}

ek_status ek_transpose_conv_f32(const ek_transpose_conv_f32_params *p, const float *x, float *y) {
  const ek_window *w = &p->window;
  for (int32_t i = 0; i < ek_view_count(w); ++i) {
    const ek_source source = ek_source_of(w, i);
    for (int32_t o = 0; o < w->out_c; ++o) {
      const float *weights = p->weights + o * w->kernel_h * w->kernel_w * w->in_c;
      const float sum = sum_of(p, &source, x + source.picture, weights);
      y[source.pixel * w->out_c + o] = ek_finished_f32(&p->finish, sum, o);
    }
  }
  return EK_OK;
}
