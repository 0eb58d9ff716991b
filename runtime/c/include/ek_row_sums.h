/* What Softmax and LogSoftmax share. */
#ifndef EK_ROW_SUMS_H
#define EK_ROW_SUMS_H

#include "ek_fixed_functions.h"
#include "ek_normalising.h"

static inline int32_t ek_largest_s8(const int8_t *x, int32_t depth) {
  int32_t largest = x[0];
  for (int32_t i = 1; i < depth; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

/* The sum of the powers of a row in Q12, from 1 on. */
static inline uint32_t ek_sum_of_powers(const ek_powers *powers, const int8_t *x, int32_t depth, int32_t largest) {
  uint32_t sum = 0;
  for (int32_t i = 0; i < depth; ++i) {
    const int32_t below = largest - x[i];
    if (below < powers->count) sum += ((uint32_t)powers->powers[below] + (1u << 11)) >> 12;
  }
  return sum;
}

/* A row of Softmax: the answer is power * mantissa * 2^-(31 + shift). */
typedef struct {
  int32_t largest, mantissa, shift;
} ek_softmax_row;

/* bits: of the answers, 8 or 16 */
ek_softmax_row ek_softmax_row_of(const ek_softmax_params *p, const int8_t *x, int32_t bits);

/* The answer for x, from 0 to 2^bits: half a step may be rounded up to the last. */
static inline uint32_t ek_softmax_answer(const ek_powers *powers, ek_softmax_row row, int32_t x) {
  const int32_t below = row.largest - x;
  if (below >= powers->count) return 0;
  return ((uint32_t)ek_doubling_high_mul(row.mantissa, powers->powers[below]) + (1u << (row.shift - 1))) >> row.shift;
}

#endif
