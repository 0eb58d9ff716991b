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

  /* where it is, and what all of its row share */
  int32_t picture, out_row, out_column;
  int32_t row_x, row_tap;
} ek_view;

static inline int32_t ek_view_count(const ek_window *w) { return w->batch * w->out_h * w->out_w; }

/* The view that a kernel starts with, and the one behind it; behind the last one is one that must not be used. */
void ek_first_view(const ek_window *w, ek_view *view);
void ek_next_view(const ek_window *w, ek_view *view);

#endif
