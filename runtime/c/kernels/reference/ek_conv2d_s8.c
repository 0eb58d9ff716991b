/* Convolution, also grouped and dilated. Source of the arithmetic: TFLite's reference_integer_ops/conv.h. */
#include "ek_weighted_sums.h"

/* One output pixel: its taps inside of the input, for every channel. Neighbouring taps of one row are one run. */
static void pixel(const ek_conv2d_s8_params *p, ek_taps rows, ek_taps columns, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  const int32_t depth = w->in_c / p->groups, per_group = w->out_c / p->groups;
  const int32_t inside = columns.last - columns.first;
  const int32_t joined = w->dilation_w == 1 && p->groups == 1;
  const int32_t runs = joined ? 1 : inside, run = joined ? inside * depth : depth;
  const int8_t *corner = x + (columns.at + columns.first * w->dilation_w) * w->in_c;
  for (int32_t o = 0; o < w->out_c; ++o) {
    const int8_t *group = corner + o / per_group * depth;
    int32_t sum = p->requantize.bias ? p->requantize.bias[o] : 0;
    for (int32_t i = rows.first; i < rows.last; ++i) {
      const int8_t *from = group + (rows.at + i * w->dilation_h) * w->in_w * w->in_c;
      const int8_t *weights = p->weights + ((o * w->kernel_h + i) * w->kernel_w + columns.first) * depth;
      for (int32_t j = 0; j < runs; ++j) {
        sum = ek_dot_s8(sum, from, weights, run, p->offset);
        from += w->dilation_w * w->in_c;
        weights += depth;
      }
    }
    y[o] = ek_requantized_s8(&p->requantize, sum, o);
  }
}

ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  const int32_t picture = w->out_h * w->out_w, count = w->batch * picture;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t at = w->backward ? count - 1 - i : i;
    const int32_t n = at / picture, row = at % picture / w->out_w, column = at % w->out_w;
    const ek_taps rows = ek_taps_inside(row * w->stride_h - w->pad_top, w->kernel_h, w->dilation_h, w->in_h);
    const ek_taps columns = ek_taps_inside(column * w->stride_w - w->pad_left, w->kernel_w, w->dilation_w, w->in_w);
    pixel(p, rows, columns, x + n * w->in_h * w->in_w * w->in_c, y + at * w->out_c);
  }
  return EK_OK;
}
