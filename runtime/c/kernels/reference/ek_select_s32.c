/* a where a condition holds, else b: elements of 4 bytes, whatever they are. */
#include "ek_elementwise.h"

static void run(const ek_broadcast *over, const uint8_t *condition, const int32_t *a, const int32_t *b, int32_t *y) {
  for (int32_t *const end = y + over->run; y != end; ++y) {
    *y = *condition ? *a : *b;
    condition += over->steps[0];
    a += over->steps[1];
    b += over->steps[2];
  }
}

ek_status ek_select_s32(const ek_select_params *p, const uint8_t *condition, const int32_t *a, const int32_t *b,
                        int32_t *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(over, condition + i.at[0], a + i.at[1], b + i.at[2], y + i.done * over->run);
  return EK_OK;
}
