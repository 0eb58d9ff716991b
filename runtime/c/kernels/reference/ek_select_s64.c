/* a where a condition holds, else b: elements of 8 bytes, whatever they are. */
#include "ek_elementwise.h"

static void run(const ek_broadcast *over, const uint8_t *condition, const int64_t *a, const int64_t *b, int64_t *y) {
  for (int64_t *const end = y + over->run; y != end; ++y) {
    *y = *condition ? *a : *b;
    condition += over->steps[0];
    a += over->steps[1];
    b += over->steps[2];
  }
}

ek_status ek_select_s64(const ek_select_params *p, const uint8_t *condition, const int64_t *a, const int64_t *b,
                        int64_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(over, condition + i.at[0], a + i.at[1], b + i.at[2], y + i.done * over->run);
  return EK_OK;
}
