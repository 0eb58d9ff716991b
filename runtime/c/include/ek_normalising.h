/* Functions of all numbers of a row: [rows][depth]. A row is read as a whole before its first element is written, and
   each element before it is written again: the output may take the place of the input, or where it is larger lie so
   that both end together. */
#ifndef EK_NORMALISING_H
#define EK_NORMALISING_H

#include "edgekit.h"

/* exp(-beta * scale * d) in Q0 (31 bits behind the point) for d steps below the largest number of a row. Made at
   conversion time: 4 bytes for each difference up to which it is not less than 2^-20, so 1 KiB at most. */
typedef struct {
  const int32_t *powers; /* [count]; 0 beyond */
  int32_t count;
} ek_powers;

typedef struct {
  int32_t rows, depth; /* depth below 8192 */
  ek_powers powers;
} ek_softmax_params;

ek_status ek_softmax_s8(const ek_softmax_params *p, const int8_t *x, int8_t *y);      /* in 1/256 from -128 */
ek_status ek_softmax_s8_s16(const ek_softmax_params *p, const int8_t *x, int16_t *y); /* in 1/65536 from -32768 */

/* Differences d below `near` are d * multiplier * 2^(shift - 31) in Q5, less than 16; beyond, the answer is -128. */
typedef struct {
  int32_t rows, depth; /* depth below 4096 */
  ek_powers powers;
  int32_t near, multiplier, shift;
} ek_log_softmax_s8_params;

ek_status ek_log_softmax_s8(const ek_log_softmax_s8_params *p, const int8_t *x, int8_t *y); /* in 1/16 from 127 */

typedef struct {
  int32_t rows, depth; /* depth below 65536 */
  int32_t zero;        /* of x */
} ek_l2_normalization_s8_params;

ek_status ek_l2_normalization_s8(const ek_l2_normalization_s8_params *p, const int8_t *x, int8_t *y); /* in 1/128 */

typedef struct {
  int32_t rows, depth;
  float beta;     /* of Softmax */
  float smallest; /* norm of L2Normalization */
} ek_rows_f32_params;

ek_status ek_softmax_f32(const ek_rows_f32_params *p, const float *x, float *y);
ek_status ek_log_softmax_f32(const ek_rows_f32_params *p, const float *x, float *y);
ek_status ek_l2_normalization_f32(const ek_rows_f32_params *p, const float *x, float *y);

#endif
