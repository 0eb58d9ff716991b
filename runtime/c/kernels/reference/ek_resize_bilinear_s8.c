/* Means of four pixels. Source of the arithmetic: TFLite's reference/resize_bilinear.h. */
#include "ek_resizing.h"

enum { BITS = 10, ONE = 1 << BITS };

/* Two neighbouring rows or columns, and how far behind the first an output pixel lies, in 1/ONE. */
typedef struct {
  int32_t first, second, behind;
} between;

static between lying_at(int32_t at, int32_t size) {
  between b = {at < 0 ? 0 : at / ONE, (at + ONE - 1) / ONE, 0};
  if (b.second > size - 1) b.second = size - 1;
  b.behind = at - b.first * ONE;
  return b;
}

static void pixel(const int8_t *top, const int8_t *bottom, int32_t next, between row, between column, int32_t channels,
                  int8_t *y) {
  const int32_t top_left = (ONE - row.behind) * (ONE - column.behind);
  const int32_t top_right = (ONE - row.behind) * column.behind;
  const int32_t bottom_left = row.behind * (ONE - column.behind), bottom_right = row.behind * column.behind;
  const int32_t half = 1 << (2 * BITS - 1);
  for (int32_t c = 0; c < channels; ++c) {
    const int32_t sum =
        top[c] * top_left + top[c + next] * top_right + bottom[c] * bottom_left + bottom[c + next] * bottom_right;
    y[c] = (int8_t)(sum > 0 ? (sum + half) >> (2 * BITS) : -((half - sum) >> (2 * BITS)));
  }
}

/* One output row, between two rows of a picture. */
static void line(const ek_resize_bilinear_s8_params *p, const int8_t *picture, between row, int8_t *y) {
  const int8_t *top = picture + row.first * p->in_w * p->channels;
  const int8_t *bottom = picture + row.second * p->in_w * p->channels;
  for (int32_t k = 0; k < p->out_w; ++k) {
    const int32_t i = p->backward ? p->out_w - 1 - k : k;
    const between column = lying_at(i * p->step_w + p->start_w, p->in_w);
    const int32_t left = column.first * p->channels, right = column.second * p->channels;
    pixel(top + left, bottom + left, right - left, row, column, p->channels, y + i * p->channels);
  }
}

ek_status ek_resize_bilinear_s8(const ek_resize_bilinear_s8_params *p, const int8_t *x, int8_t *y) {
  const int32_t rows = p->batch * p->out_h;
  for (int32_t k = 0; k < rows; ++k) {
    const int32_t at = p->backward ? rows - 1 - k : k, n = at / p->out_h, i = at % p->out_h;
    const between row = lying_at(i * p->step_h + p->start_h, p->in_h);
    line(p, x + n * p->in_h * p->in_w * p->channels, row, y + at * p->out_w * p->channels);
  }
  return EK_OK;
}
