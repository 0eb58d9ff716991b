/* What the kernels of transposed convolutions share: which input pixels reach an output pixel. */
#ifndef EK_TRANSPOSED_H
#define EK_TRANSPOSED_H

#include "ek_window.h"

/* Along one axis: taps `tap`, `tap` + stride, ... of the kernel meet input places `at`, `at` - 1, ... */
typedef struct {
  int32_t tap, at, count;
} ek_meetings;

/* of place `whole` of the whole result */
static inline ek_meetings ek_meetings_of(int32_t whole, int32_t kernel, int32_t stride, int32_t size) {
  const int32_t beyond = whole / stride - (size - 1), skipped = beyond > 0 ? beyond : 0;
  ek_meetings m;
  m.tap = whole % stride + skipped * stride;
  m.at = whole / stride - skipped;
  m.count = m.tap < kernel ? (kernel - 1 - m.tap) / stride + 1 : 0;
  if (m.count > m.at + 1) m.count = m.at + 1;
  return m;
}

typedef struct {
  int32_t pixel;   /* number of the output pixel, counted through the batch */
  int32_t picture; /* element at which its input picture starts */
  ek_meetings rows, columns;
} ek_source;

/* Source number i of batch * out_h * out_w in the order in which the kernel goes. */
static inline ek_source ek_source_of(const ek_window *w, int32_t i) {
  const int32_t picture = w->out_h * w->out_w, pixel = w->backward ? w->batch * picture - 1 - i : i;
  const int32_t row = pixel % picture / w->out_w, column = pixel % w->out_w;
  ek_source source;
  source.pixel = pixel;
  source.picture = pixel / picture * w->in_h * w->in_w * w->in_c;
  source.rows = ek_meetings_of(row + w->pad_top, w->kernel_h, w->stride_h, w->in_h);
  source.columns = ek_meetings_of(column + w->pad_left, w->kernel_w, w->stride_w, w->in_w);
  return source;
}

#endif
