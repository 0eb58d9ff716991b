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

ek_status ek_resize_bilinear_f32(const ek_resize_bilinear_f32_params *p, const float *x, float *y) {
  const int32_t picture = p->out_h * p->out_w, count = p->batch * picture, in_row = p->in_w * p->channels;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t at = p->backward ? count - 1 - i : i;
    const between row = lying_at((float)(at % picture / p->out_w) * p->step_h + p->start_h, p->in_h);
    const between column = lying_at((float)(at % p->out_w) * p->step_w + p->start_w, p->in_w);
    const float *from = x + at / picture * p->in_h * in_row + column.first * p->channels;
    pixel(from + row.first * in_row, from + row.second * in_row, (column.second - column.first) * p->channels, row,
          column, p->channels, y + at * p->channels);
  }
  return EK_OK;
}
