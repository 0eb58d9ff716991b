/* Arithmetic on the elements of integer values that are broadcast against each other. Every kernel reads an element
   before it writes it: an output may take the place of an operand of its size. */
#ifndef EK_ELEMENTWISE_H
#define EK_ELEMENTWISE_H

#include "edgekit.h"
#include "ek_broadcast.h"
#include "ek_rescale.h"

/* (base + a * a_factor + b' * b_sign) * factor, b' being (b * b_steps + b_base) * b_factor. Both are in steps of twice
   the larger of their scales, which is that of a, less some bits; the sum is doubled as ek_factor wants it. */
typedef struct {
  ek_broadcast over;
  int32_t base, a_factor;
  int32_t b_base, b_steps, b_sign;
  ek_factor b_factor, factor; /* s8: right is not 0, left is not used; s16: that of `factor` */
  ek_range range;
} ek_sum_params;

/* a + b, a - b, b - a */
ek_status ek_add_s8(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y);
ek_status ek_add_s16(const ek_sum_params *p, const int16_t *a, const int16_t *b, int16_t *y);
/* the square of the sum, which is below 2^15 and not doubled */
ek_status ek_squared_difference_s8(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y);

typedef struct {
  ek_broadcast over;
  int32_t a_offset, b_offset; /* minus the zero points */
  ek_factor factor;
  ek_range range;
} ek_mul_params;

ek_status ek_mul_s8(const ek_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y);
ek_status ek_mul_s16(const ek_mul_params *p, const int16_t *a, const int16_t *b, int16_t *y);

typedef struct {
  ek_broadcast over;
  int32_t x_offset, alpha_offset; /* minus the zero points */
  ek_factor above, below;         /* of x where it is not negative; of x * alpha */
  ek_range range;
} ek_prelu_s8_params;

ek_status ek_prelu_s8(const ek_prelu_s8_params *p, const int8_t *x, const int8_t *alpha, int8_t *y);

typedef struct {
  ek_broadcast over;
  int32_t largest; /* 1: the larger of a and b, 0: the smaller */
} ek_extremum_params;

ek_status ek_extremum_s8(const ek_extremum_params *p, const int8_t *a, const int8_t *b, int8_t *y);
ek_status ek_extremum_s16(const ek_extremum_params *p, const int16_t *a, const int16_t *b, int16_t *y);

enum { EK_TERMS = 8 };

typedef struct {
  int32_t size, count; /* elements; terms */
  int32_t base;        /* minus the zero points of all terms */
  int32_t steps;       /* of one step of a term, doubled */
  ek_factor factor;    /* of (base + sum) * steps; right is not 0, left is not used */
  ek_range range;
} ek_add_n_s8_params;

/* Sum of the first `count` operands, all of one scale; the others are not read. */
ek_status ek_add_n_s8(const ek_add_n_s8_params *p, const int8_t *x0, const int8_t *x1, const int8_t *x2,
                      const int8_t *x3, const int8_t *x4, const int8_t *x5, const int8_t *x6, const int8_t *x7,
                      int8_t *y);

/* Plain numbers, without a scale; what overflows wraps. */
typedef struct {
  ek_broadcast over;
  int32_t (*function)(int32_t a, int32_t b);
} ek_binary_s32_params;

ek_status ek_binary_s32(const ek_binary_s32_params *p, const int32_t *a, const int32_t *b, int32_t *y);

typedef struct {
  ek_broadcast over;
  int64_t (*function)(int64_t a, int64_t b);
} ek_binary_s64_params;

ek_status ek_binary_s64(const ek_binary_s64_params *p, const int64_t *a, const int64_t *b, int64_t *y);

/* a where the condition is not 0, else b; operands of `over`: condition, a, b. One kernel for each size of element. */
typedef struct {
  ek_broadcast over;
} ek_select_params;

ek_status ek_select_s8(const ek_select_params *p, const uint8_t *condition, const int8_t *a, const int8_t *b,
                       int8_t *y);
ek_status ek_select_s16(const ek_select_params *p, const uint8_t *condition, const int16_t *a, const int16_t *b,
                        int16_t *y);
ek_status ek_select_s32(const ek_select_params *p, const uint8_t *condition, const int32_t *a, const int32_t *b,
                        int32_t *y);
ek_status ek_select_s64(const ek_select_params *p, const uint8_t *condition, const int64_t *a, const int64_t *b,
                        int64_t *y);

#endif
