/* Softmax of long rows, whose answers are too small for 8 bits. */
#include "ek_row_sums.h"

ek_status ek_softmax_s8_s16(const ek_softmax_params *p, const int8_t *x, int16_t *y) {
  const ek_powers powers = p->powers;
  for (int32_t r = 0; r < p->rows; ++r) {
    const ek_softmax_row row = ek_softmax_row_of(p, x, 16);
    for (const int8_t *const end = x + p->depth; x != end; ++x) {
      const uint32_t answer = ek_softmax_answer(&powers, row, *x);
      *y++ = (int16_t)((int32_t)(answer > 65535 ? 65535 : answer) - 32768);
    }
  }
  return EK_OK;
}
