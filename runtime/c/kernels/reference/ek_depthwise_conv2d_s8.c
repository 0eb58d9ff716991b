/* Depthwise convolution. Source of the arithmetic: TFLite's reference_integer_ops/depthwise_conv.h. */
#include "ek_weighted_sums.h"

/* Of four neighbouring channels. */
static void four(const ek_depthwise_conv2d_s8_params *p, const ek_view *view, const int8_t *x, const int8_t *weights,
                 int32_t *sums) {
  const ek_window *w = &p->window;
  const int32_t offset = p->offset, next_x = w->dilation_w * w->in_c, next_w = w->in_c;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int32_t i = 0; i < view->rows; ++i) {
    const int8_t *from = x, *tap = weights;
    for (int32_t j = view->columns; j > 0; --j, from += next_x, tap += next_w) {
      a += (from[0] + offset) * tap[0];
      b += (from[1] + offset) * tap[1];
      c += (from[2] + offset) * tap[2];
      d += (from[3] + offset) * tap[3];
    }
    x += w->dilation_h * w->in_w * w->in_c;
    weights += w->kernel_w * w->in_c;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

static void one(const ek_depthwise_conv2d_s8_params *p, const ek_view *view, const int8_t *x, const int8_t *weights,
                int32_t *sum) {
  const ek_window *w = &p->window;
  *sum = 0;
  for (int32_t i = 0; i < view->rows; ++i) {
    for (int32_t j = 0; j < view->columns; ++j)
      *sum += (x[j * w->dilation_w * w->in_c] + p->offset) * weights[j * w->in_c];
    x += w->dilation_h * w->in_w * w->in_c;
    weights += w->kernel_w * w->in_c;
  }
}

/* A channel is written after all taps of its own number have been read: the output may lie in place of the input. */
static void pixel(const ek_depthwise_conv2d_s8_params *p, const ek_view *view, const int8_t *x, int8_t *y) {
  const int32_t channels = p->window.in_c;
  const int8_t *weights = p->weights + view->tap * channels;
  for (int32_t c = 0, lanes; c < channels; c += lanes) {
    int32_t sums[EK_LANES];
    lanes = channels - c < EK_LANES ? 1 : EK_LANES;
    if (lanes == 1) one(p, view, x + c, weights + c, sums);
    else four(p, view, x + c, weights + c, sums);
    for (int32_t k = 0; k < lanes; ++k) y[c + k] = ek_requantized_s8(&p->requantize, sums[k], c + k);
  }
}

ek_status ek_depthwise_conv2d_s8(const ek_depthwise_conv2d_s8_params *p, const int8_t *x, int8_t *y) {
  for (int32_t i = 0; i < ek_view_count(&p->window); ++i) {
    const ek_view view = ek_view_of(&p->window, i);
    pixel(p, &view, x + view.x, y + view.pixel * p->window.out_c);
  }
  return EK_OK;
}
