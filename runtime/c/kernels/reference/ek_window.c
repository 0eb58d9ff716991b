/* What each output pixel sees, one after the other; without a division, for cores that have none. */
#include "ek_window.h"

typedef struct {
  int32_t first, count;
} taps;

/* The taps that lie in a row (column) of `size`, the first of all at `at`. */
static taps inside(int32_t at, int32_t kernel, int32_t dilation, int32_t size) {
  taps t = {0, kernel};
  for (int32_t first = at; first < 0 && t.count > 0; first += dilation) ++t.first, --t.count;
  for (int32_t last = at + (kernel - 1) * dilation; last >= size && t.count > 0; last -= dilation) --t.count;
  return t;
}

static void enter_row(const ek_window *w, ek_view *view) {
  const int32_t row = view->out_row * w->stride_h - w->pad_top;
  const taps rows = inside(row, w->kernel_h, w->dilation_h, w->in_h);
  view->rows = rows.count;
  view->row_tap = rows.first * w->kernel_w;
  view->row_x = (view->picture * w->in_h + row + rows.first * w->dilation_h) * w->in_w;
}

static void enter_column(const ek_window *w, ek_view *view) {
  const int32_t column = view->out_column * w->stride_w - w->pad_left;
  const taps columns = inside(column, w->kernel_w, w->dilation_w, w->in_w);
  view->columns = columns.count;
  view->tap = view->row_tap + columns.first;
  view->x = (view->row_x + column + columns.first * w->dilation_w) * w->in_c;
}

void ek_first_view(const ek_window *w, ek_view *view) {
  view->pixel = w->backward ? ek_view_count(w) - 1 : 0;
  view->picture = w->backward ? w->batch - 1 : 0;
  view->out_row = w->backward ? w->out_h - 1 : 0;
  view->out_column = w->backward ? w->out_w - 1 : 0;
  enter_row(w, view);
  enter_column(w, view);
}

void ek_next_view(const ek_window *w, ek_view *view) {
  const int32_t step = w->backward ? -1 : 1;
  view->pixel += step;
  view->out_column += step;
  if (view->out_column < 0 || view->out_column >= w->out_w) {
    view->out_column = w->backward ? w->out_w - 1 : 0;
    view->out_row += step;
    if (view->out_row < 0 || view->out_row >= w->out_h) {
      view->out_row = w->backward ? w->out_h - 1 : 0;
      view->picture += step;
    }
    enter_row(w, view);
  }
  enter_column(w, view);
}
