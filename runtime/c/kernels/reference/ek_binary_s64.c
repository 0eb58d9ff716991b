/* A function of two plain numbers. */
#include "ek_elementwise.h"

static void run(const ek_binary_s64_params *p, const int64_t *a, const int64_t *b, int64_t *y) {
  for (int64_t *const end = y + p->over.run; y != end; ++y) {
    *y = p->function(*a, *b);
    a += p->over.steps[0];
    b += p->over.steps[1];
  }
}

ek_status ek_binary_s64(const ek_binary_s64_params *p, const int64_t *a, const int64_t *b, int64_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, a + i.at[0], b + i.at[1], y + i.done * over->run);
  return EK_OK;
}
