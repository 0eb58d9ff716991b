/* The inner loops of depthwise convolutions. */
#include "ek_channel_sums.h"
#include "ek_weighted_sums.h"

static int32_t sum_one(int32_t bias, const ek_taps *taps, const ek_view *view, const int8_t *x, const int8_t *w,
                       int32_t channels) {
  const int32_t offset = taps->offset, column_x = taps->column_x, span = view->columns * column_x;
  const int32_t next_x = taps->row_x - span, next_w = channels * (taps->kernel_w - view->columns);
  int32_t sum = 0;
  for (int32_t i = view->rows; i > 0; --i, x += next_x, w += next_w)
    for (const int8_t *end = x + span; x != end; x += column_x, w += channels) sum += (*x + offset) * *w;
  return ek_wrapping_sum(bias, sum);
}

static void sum_block(int32_t *sums, const int32_t *bias, const ek_taps *taps, const ek_view *view, const int8_t *x,
                      const int8_t *w) {
  const int32_t offset = taps->offset, column_x = taps->column_x, span = view->columns * column_x;
  const int32_t next_x = taps->row_x - span, next_w = (taps->kernel_w - view->columns) * EK_BLOCK;
  uint32_t a = (uint32_t)bias[0], b = (uint32_t)bias[1], c = (uint32_t)bias[2], d = (uint32_t)bias[3];
  for (int32_t i = view->rows; i > 0; --i, x += next_x, w += next_w) {
    for (const int8_t *end = x + span; x != end; x += column_x) {
      w += EK_BLOCK; /* first: GCC then needs no second register for it */
      a += (uint32_t)((x[0] + offset) * w[-4]);
      b += (uint32_t)((x[1] + offset) * w[-3]);
      c += (uint32_t)((x[2] + offset) * w[-2]);
      d += (uint32_t)((x[3] + offset) * w[-1]);
    }
  }
  sums[0] = (int32_t)a, sums[1] = (int32_t)b, sums[2] = (int32_t)c, sums[3] = (int32_t)d;
}

void ek_channel_sums_s8(int32_t *sums, int32_t channels, const int32_t *bias, const ek_taps *taps, const ek_view *view,
                        const int8_t *x, const int8_t *w) {
  const int32_t kernel = taps->kernel_h * taps->kernel_w;
  int32_t c = 0;
  for (; c + EK_BLOCK <= channels; c += EK_BLOCK)
    sum_block(sums + c, bias + c, taps, view, x + c, w + c * kernel + view->tap * EK_BLOCK);
  for (int32_t k = c; k < channels; ++k)
    sums[k] = sum_one(bias[k], taps, view, x + k, w + c * kernel + view->tap * (channels - c) + k - c, channels - c);
}
