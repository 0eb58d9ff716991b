/* Windows over pictures: which part of the input each output pixel sees. */
#ifndef EK_WINDOW_H
#define EK_WINDOW_H

#include <stdint.h>

/* A window over (N, H, W, C). Rows and columns outside of the input do not count. */
typedef struct {
  int32_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int32_t backward; /* from the last output pixel to the first: the output may lie over the end of the input */
} ek_window;

/* What one output pixel sees: rows x columns taps, which may be none. */
typedef struct {
  int32_t pixel;         /* number of the output pixel, counted through the batch */
  int32_t rows, columns; /* taps inside of the input */
  int32_t x;             /* element of the input under the first of them, channel 0 */
  int32_t tap;           /* number of the first of them in the kernel */
} ek_view;

/* The first tap and the number of taps that lie in a row (column) of `size`, the first tap of all at `at`. */
static inline void ek_taps_inside(int32_t at, int32_t kernel, int32_t dilation, int32_t size, int32_t *tap, int32_t *n) {
  int32_t first = 0, last = kernel;
  while (first < last && at + first * dilation < 0) ++first;
  while (last > first && at + (last - 1) * dilation >= size) --last;
  *tap = first;
  *n = last - first;
}

/* View number i of batch * out_h * out_w in the order in which the kernel goes. */
static inline ek_view ek_view_of(const ek_window *w, int32_t i) {
  const int32_t picture = w->out_h * w->out_w, pixel = w->backward ? w->batch * picture - 1 - i : i;
  const int32_t picture_number = pixel / picture, in_picture = pixel - picture_number * picture;
  const int32_t out_row = in_picture / w->out_w, out_column = in_picture - out_row * w->out_w;
  const int32_t row = out_row * w->stride_h - w->pad_top, column = out_column * w->stride_w - w->pad_left;
  int32_t tap_row, tap_column;
  ek_view view;
  ek_taps_inside(row, w->kernel_h, w->dilation_h, w->in_h, &tap_row, &view.rows);
  ek_taps_inside(column, w->kernel_w, w->dilation_w, w->in_w, &tap_column, &view.columns);
  view.pixel = pixel;
  view.tap = tap_row * w->kernel_w + tap_column;
  view.x = ((picture_number * w->in_h + row + tap_row * w->dilation_h) * w->in_w + column + tap_column * w->dilation_w) *
           w->in_c;
  return view;
}

static inline int32_t ek_view_count(const ek_window *w) { return w->batch * w->out_h * w->out_w; }

#endif
