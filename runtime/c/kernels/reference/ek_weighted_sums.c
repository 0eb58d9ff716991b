/* The inner loops of weighted sums. */
#include "ek_weighted_sums.h"

static int32_t sum_one(const ek_runs *r, const int8_t *x, const int8_t *w) {
  const int32_t offset = r->offset, length = r->length;
  int32_t a = 0;
  for (int32_t i = r->rows; i > 0; --i, x += r->next_row_x, w += r->next_row_w)
    for (int32_t j = r->runs; j > 0; --j, x += r->next_x, w += r->next_w)
      for (const int8_t *end = x + length; x != end;) a += (*x++ + offset) * *w++;
  return a;
}

void ek_sum_block_s8(int32_t *sums, int32_t outputs, const int32_t *bias, const ek_runs *r, const int8_t *x,
                     const int8_t *w) {
  if (outputs == 1) {
    sums[0] = ek_wrapping_sum(bias[0], sum_one(r, x, w));
    return;
  }
  const int32_t offset = r->offset, length = r->length, one = r->output_w;
  const int32_t two = outputs > 2 ? one : 0, three = outputs > 3 ? one : 0; /* from the second to the third, the fourth */
  uint32_t a = (uint32_t)bias[0], b = (uint32_t)bias[1], c = 0, d = 0;
  if (outputs > 2) c = (uint32_t)bias[2];
  if (outputs > 3) d = (uint32_t)bias[3];
  for (int32_t i = r->rows; i > 0; --i, x += r->next_row_x, w += r->next_row_w) {
    for (int32_t j = r->runs; j > 0; --j, x += r->next_x, w += r->next_w) {
      const int8_t *w1 = w + one, *w2 = w1 + two, *w3 = w2 + three;
      for (const int8_t *end = x + length; x != end;) {
        const int32_t value = *x++ + offset;
        a += (uint32_t)(value * *w++);
        b += (uint32_t)(value * *w1++);
        c += (uint32_t)(value * *w2++);
        d += (uint32_t)(value * *w3++);
      }
    }
  }
  sums[0] = (int32_t)a, sums[1] = (int32_t)b, sums[2] = (int32_t)c, sums[3] = (int32_t)d;
}

void ek_requantize_s8(const ek_requantize *r, int32_t channel, const int32_t *sums, int32_t outputs, int8_t *y) {
  const int32_t *multipliers = r->multipliers + channel;
  const int8_t *shifts = r->shifts + channel;
  const int32_t low = r->low, high = r->high, zero = r->zero;
  for (const int32_t *end = sums + outputs; sums != end;)
    *y++ = (int8_t)(ek_clamp(ek_scale(*sums++, *multipliers++, *shifts++), low, high) + zero);
}
