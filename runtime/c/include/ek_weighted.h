/* Weighted sums: convolutions and products with constant matrices. s8: per-channel scales, s32 bias, double rounding. */
#ifndef EK_WEIGHTED_H
#define EK_WEIGHTED_H

#include "edgekit.h"

/* How an s32 sum becomes an s8 output: + bias, * multiplier * 2^(shift - 31), + zero, clamped. */
typedef struct {
  const int32_t *bias;        /* [out], or 0 */
  const int32_t *multipliers; /* [out], or [1] where per_channel is 0 */
  const int8_t *shifts;       /* the same */
  int32_t per_channel;
  int32_t zero;
  int32_t low, high;
} ek_requantize;

/* A window over (N, H, W, C). Rows and columns outside of the input count as its zero point. */
typedef struct {
  int32_t batch, in_h, in_w, in_c, out_h, out_w, out_c;
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int32_t backward; /* from the last output pixel to the first: the output may lie over the end of the input */
} ek_window;

typedef struct {
  ek_window window;
  int32_t groups;
  const int8_t *weights; /* [out][kernel_h][kernel_w][in / groups] */
  int32_t offset;        /* minus the zero point of the input */
  ek_requantize requantize;
} ek_conv2d_s8_params;

ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y);

typedef struct {
  int32_t rows, depth, units;
  const int8_t *weights; /* [units][depth] */
  int32_t offset;        /* minus the zero point of the input */
  ek_requantize requantize;
} ek_fully_connected_s8_params;

/* x [rows][depth] -> y [rows][units] */
ek_status ek_fully_connected_s8(const ek_fully_connected_s8_params *p, const int8_t *x, int8_t *y);

#endif
