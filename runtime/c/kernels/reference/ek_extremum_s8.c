/* The smaller or the larger of a and b, as they are stored. */
#include "ek_elementwise.h"

static void run(const ek_extremum_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  for (int8_t *const end = y + p->over.run; y != end; ++y) {
    *y = (*a > *b) == p->largest ? *a : *b;
    a += p->over.steps[0];
    b += p->over.steps[1];
  }
}

ek_status ek_extremum_s8(const ek_extremum_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, a + i.at[0], b + i.at[1], y + i.done * over->run);
  return EK_OK;
}
