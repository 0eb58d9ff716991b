/* Depthwise convolution. Source of the arithmetic: TFLite's reference_integer_ops/depthwise_conv.h. */
#include "ek_channel_sums.h"
#include "ek_weighted_sums.h"

/* Channels that are summed before they are written; more of them need more stack. */
enum { SUMS = 2 * EK_BLOCK };

/* A channel is written after all taps of its own number have been read: the output may lie in place of the input. */
ek_status ek_depthwise_conv2d_s8(const ek_depthwise_conv2d_s8_params *p, const int8_t *x, int8_t *y) {
  const ek_window *w = &p->window;
  const int32_t column_x = w->dilation_w * w->in_c, row_x = w->dilation_h * w->in_w * w->in_c;
  const ek_taps taps = {w->kernel_h, w->kernel_w, row_x, column_x, p->offset};
  ek_view view;
  ek_first_view(w, &view);
  for (int32_t n = ek_view_count(w); n > 0; --n, ek_next_view(w, &view)) {
    for (int32_t c = 0; c < w->in_c; c += SUMS) {
      const int32_t channels = ek_least(w->in_c - c, SUMS);
      const int8_t *weights = p->weights + c * w->kernel_h * w->kernel_w;
      int32_t sums[SUMS];
      ek_channel_sums_s8(sums, channels, p->requantize.bias + c, &taps, &view, x + view.x + c, weights);
      ek_requantize_s8(&p->requantize, c, sums, channels, y + view.pixel * w->in_c + c);
    }
  }
  return EK_OK;
}
