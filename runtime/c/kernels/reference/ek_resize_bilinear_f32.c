/* Means of four pixels. Source of the arithmetic: TFLite's reference/resize_bilinear.h. */
#include "ek_resizing.h"

/* Two neighbouring rows or columns, and how far behind the first an output pixel lies. */
typedef struct {
  int32_t first, second;
  float behind;
} between;

static between lying_at(float at, int32_t size) {
  between b = {at > 0.0f ? (int32_t)at : 0, 0, 0.0f};
  if (b.first > size - 1) b.first = size - 1;
  b.behind = at - (float)b.first;
  b.second = b.behind > 0.0f && b.first < size - 1 ? b.first + 1 : b.first;
  return b;
}

static void pixel(const float *top, const float *bottom, int32_t next, between row, between column, int32_t channels,
                  float *y) {
  for (int32_t c = 0; c < channels; ++c) {
    const float left = top[c] * (1.0f - row.behind) + bottom[c] * row.behind;
    const float right = top[c + next] * (1.0f - row.behind) + bottom[c + next] * row.behind;
    y[c] = left * (1.0f - column.behind) + right * column.behind;
  }
}

/* One output row, between two rows of a picture. */
static void line(const ek_resize_bilinear_f32_params *p, const float *picture, between row, float *y) {
  const float *top = picture + row.first * p->in_w * p->channels;
  const float *bottom = picture + row.second * p->in_w * p->channels;
  for (int32_t k = 0; k < p->out_w; ++k) {
    const int32_t i = p->backward ? p->out_w - 1 - k : k;
    const between column = lying_at((float)i * p->step_w + p->start_w, p->in_w);
    const int32_t left = column.first * p->channels, right = column.second * p->channels;
    pixel(top + left, bottom + left, right - left, row, column, p->channels, y + i * p->channels);
  }
}

ek_status ek_resize_bilinear_f32(const ek_resize_bilinear_f32_params *p, const float *x, float *y) {
  const int32_t rows = p->batch * p->out_h;
  for (int32_t k = 0; k < rows; ++k) {
    const int32_t at = p->backward ? rows - 1 - k : k, n = at / p->out_h, i = at % p->out_h;
    const between row = lying_at((float)i * p->step_h + p->start_h, p->in_h);
    line(p, x + n * p->in_h * p->in_w * p->channels, row, y + at * p->out_w * p->channels);
  }
  return EK_OK;
}
