/* What the int8 kernels of ek_weighted.h share. The loops over products are functions of their own, so that a compiler has
   all registers for them. */
#ifndef EK_WEIGHTED_SUMS_H
#define EK_WEIGHTED_SUMS_H

#include "ek_fixed_point.h"
#include "ek_weighted.h"

static inline int32_t ek_least(int32_t a, int32_t b) { return a < b ? a : b; }

/* Which products make a sum, `rows` rows of `runs` runs of `length` neighbours. */
typedef struct {
  int32_t rows, runs, length;
  int32_t next_x, next_w;         /* elements of input and weights between the end of a run and the next one */
  int32_t next_row_x, next_row_w; /* and what is added behind the last run of a row */
  int32_t output_w;               /* elements of weights from output to output */
  int32_t offset;                 /* added to the input */
} ek_runs;

/* run_x, run_w: elements from run to run; row_x, row_w: from row to row */
static inline ek_runs ek_runs_of(int32_t rows, int32_t runs, int32_t length, int32_t run_x, int32_t run_w,
                                 int32_t row_x, int32_t row_w) {
  ek_runs r = {rows, runs, length, run_x - length, run_w - length, row_x - runs * run_x, row_w - runs * run_w, 0, 0};
  return r;
}

/* a + b in 32 bits that wrap */
static inline int32_t ek_wrapping_sum(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

/* sums[k]: bias[k] + the sum of (x + offset) * w for output k, of which there are 1 to EK_BLOCK; what is written behind
   the last one is of no use. */
void ek_sum_block_s8(int32_t *sums, int32_t outputs, const int32_t *bias, const ek_runs *r, const int8_t *x,
                     const int8_t *w);

/* y[k] for sums[k] of the outputs from `channel` on */
void ek_requantize_s8(const ek_requantize *r, int32_t channel, const int32_t *sums, int32_t outputs, int8_t *y);

#endif
