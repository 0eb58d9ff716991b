/* One number for all elements along some axes: Mean, Sum, ReduceMax, ReduceMin, ReduceProd, ArgMax, ArgMin. */
#ifndef EK_REDUCTION_H
#define EK_REDUCTION_H

#include "edgekit.h"

/* x [outer][far][middle][near][inner] -> y [outer][middle][inner]: axes `far` and `near` are reduced. */
typedef struct {
  int32_t outer, far, middle, near, inner;
} ek_reduced;

/* (sum + offset) * multiplier * 2^(shift - 31), clamped to low and high, + zero */
typedef struct {
  ek_reduced axes;
  int32_t offset; /* minus the zero point of the input, as often as there are elements in a sum */
  int32_t multiplier, shift;
  int32_t low, high; /* of the output, minus its zero point */
  int32_t zero;
} ek_sum_s8_params;

/* Also Mean, whose division is part of the multiplier. */
ek_status ek_sum_s8(const ek_sum_s8_params *p, const int8_t *x, int8_t *y);

/* divisor: 1, or the number of elements in a sum for their mean */
typedef struct {
  ek_reduced axes;
  float divisor;
} ek_sum_f32_params;

ek_status ek_sum_f32(const ek_sum_f32_params *p, const float *x, float *y);

typedef struct {
  ek_reduced axes;
} ek_reduce_prod_f32_params;

ek_status ek_reduce_prod_f32(const ek_reduce_prod_f32_params *p, const float *x, float *y);

/* flip: 0 for the largest element, -1 for the smallest; f32: 1 and -1. NaN counts as beyond every number. */
typedef struct {
  ek_reduced axes;
  int32_t flip;
} ek_extreme_params;

/* b8 as s8 */
ek_status ek_extreme_s8(const ek_extreme_params *p, const void *x, void *y);
ek_status ek_extreme_s16(const ek_extreme_params *p, const void *x, void *y);
ek_status ek_extreme_s32(const ek_extreme_params *p, const void *x, void *y);
ek_status ek_extreme_s64(const ek_extreme_params *p, const void *x, void *y);
ek_status ek_extreme_f32(const ek_extreme_params *p, const void *x, void *y);

/* x [outer][count][inner] -> y [outer][inner]: the index of the first extreme element, int32_t or, where `wide`,
   int64_t. flip as above. */
typedef struct {
  int32_t outer, count, inner;
  int32_t flip, wide;
} ek_arg_extreme_params;

ek_status ek_arg_extreme_s8(const ek_arg_extreme_params *p, const void *x, void *y);
ek_status ek_arg_extreme_s16(const ek_arg_extreme_params *p, const void *x, void *y);
ek_status ek_arg_extreme_s32(const ek_arg_extreme_params *p, const void *x, void *y);
ek_status ek_arg_extreme_s64(const ek_arg_extreme_params *p, const void *x, void *y);
ek_status ek_arg_extreme_f32(const ek_arg_extreme_params *p, const void *x, void *y);

#endif
