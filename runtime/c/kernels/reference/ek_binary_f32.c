/* A function of two float32 numbers, clamped; a number that is not one passes every clamp. */
#include "ek_functions_f32.h"

static void run(const ek_binary_f32_params *p, const float *a, const float *b, float *y) {
  for (float *const end = y + p->over.run; y != end; ++y) {
    const float made = p->function(*a, *b);
    *y = made < p->low ? p->low : made > p->high ? p->high : made;
    a += p->over.steps[0];
    b += p->over.steps[1];
  }
}

ek_status ek_binary_f32(const ek_binary_f32_params *p, const float *a, const float *b, float *y) {
  const ek_broadcast *over = &p->over;
  for (ek_position i = {0, {0, 0, 0}}; i.done < over->runs; ek_next_run(over, &i))
    run(p, a + i.at[0], b + i.at[1], y + i.done * over->run);
  return EK_OK;
}
