/* Softmax of rows below 512. */
#include "ek_row_sums.h"

ek_status ek_softmax_s8(const ek_softmax_params *p, const int8_t *x, int8_t *y) {
  const ek_powers powers = p->powers;
  for (int32_t r = 0; r < p->rows; ++r) {
    const ek_softmax_row row = ek_softmax_row_of(p, x, 8);
    for (const int8_t *const end = x + p->depth; x != end; ++x) {
      const uint32_t answer = ek_softmax_answer(&powers, row, *x);
      *y++ = (int8_t)((int32_t)(answer > 255 ? 255 : answer) - 128);
    }
  }
  return EK_OK;
}
