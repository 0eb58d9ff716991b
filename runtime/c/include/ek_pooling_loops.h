/* The body of a pooling kernel. Whoever includes it defines

   KERNEL, PARAMS, NUMBER    its name, params and type of values
   SUM                       type of what is gathered from a window
   START(p)                  what a window starts with
   GATHER(sum, value)        sum with one more value
   FINISH(sum, count)        what a window of `count` values gives, before the clamp

   A channel is written after its window has been read: the output may lie in place of the input. */
#include "ek_pooling.h"

static SUM gathered(const PARAMS *p, const ek_view *view, const NUMBER *x) {
  const ek_window *w = &p->window;
  SUM sum = START(p);
  for (int32_t i = 0; i < view->rows; ++i) {
    const NUMBER *from = x;
    for (int32_t j = view->columns; j > 0; --j, from += w->in_c) sum = GATHER(sum, *from);
    x += w->in_w * w->in_c;
  }
  return sum;
}

ek_status KERNEL(const PARAMS *p, const NUMBER *x, NUMBER *y) {
  const int32_t channels = p->window.in_c;
  ek_view view;
  ek_first_view(&p->window, &view);
  for (int32_t n = ek_view_count(&p->window); n > 0; --n, ek_next_view(&p->window, &view)) {
    const NUMBER *from = x + view.x;
    NUMBER *to = y + view.pixel * channels;
    for (int32_t c = 0; c < channels; ++c) {
      const SUM value = FINISH(gathered(p, &view, from + c), view.rows * view.columns);
      to[c] = (NUMBER)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
  }
  return EK_OK;
}
