/* Weighted sums: convolutions and products with constant matrices. s8: per-channel scales, s32 bias, double rounding.
   Where a window reaches beyond the input, it sees the zero point. No sum of products exceeds 32 bits; sums plus bias
   wrap. The output may lie over the input as far as edgekit/emitters/c/overlaps.py says. */
#ifndef EK_WEIGHTED_H
#define EK_WEIGHTED_H

#include "edgekit.h"
#include "ek_window.h"

/* Channels of which int8 kernels make the sums at once. */
enum { EK_BLOCK = 4 };

/* How an s32 sum becomes an s8 output: + bias, * multiplier * 2^(shift - 31), clamped, + zero. */
typedef struct {
  const int32_t *bias, *multipliers; /* [out] */
  const int8_t *shifts;              /* [out] */
  int32_t low, high;                 /* smallest and largest output, minus zero */
  int32_t zero;
} ek_requantize;

/* How an f32 sum becomes an f32 output. */
typedef struct {
  const float *bias; /* [out] */
  float low, high;
} ek_finish_f32;

typedef struct {
  ek_window window;
  int32_t groups;
  const int8_t *weights; /* [out][kernel_h][kernel_w][in / groups] */
  int32_t offset;        /* minus the zero point of the input */
  ek_requantize requantize;
} ek_conv2d_s8_params;

typedef struct {
  ek_window window;
  int32_t groups;
  const float *weights; /* [out][kernel_h][kernel_w][in / groups] */
  ek_finish_f32 finish;
} ek_conv2d_f32_params;

ek_status ek_conv2d_s8(const ek_conv2d_s8_params *p, const int8_t *x, int8_t *y);
ek_status ek_conv2d_f32(const ek_conv2d_f32_params *p, const float *x, float *y);

/* Each channel by itself: window.out_c is window.in_c. Weights for int8 lie in blocks of EK_BLOCK channels, the last of
   which may have fewer: [blocks][kernel_h][kernel_w][channels of the block]. */
typedef struct {
  ek_window window;
  const int8_t *weights;
  int32_t offset; /* minus the zero point of the input */
  ek_requantize requantize;
} ek_depthwise_conv2d_s8_params;

typedef struct {
  ek_window window;
  const float *weights; /* [out][kernel_h][kernel_w] */
  ek_finish_f32 finish;
} ek_depthwise_conv2d_f32_params;

ek_status ek_depthwise_conv2d_s8(const ek_depthwise_conv2d_s8_params *p, const int8_t *x, int8_t *y);
ek_status ek_depthwise_conv2d_f32(const ek_depthwise_conv2d_f32_params *p, const float *x, float *y);

/* Every input pixel adds a scaled kernel to the whole result, of which the output is a part that starts at pad_top,
   pad_left. The dilations are 1. */
typedef struct {
  ek_window window;
  const int8_t *weights; /* [out][kernel_h][kernel_w][in] */
  int32_t offset;        /* minus the zero point of the input */
  ek_requantize requantize;
} ek_transpose_conv_s8_params;

typedef struct {
  ek_window window;
  const float *weights; /* [out][kernel_h][kernel_w][in] */
  ek_finish_f32 finish;
} ek_transpose_conv_f32_params;

ek_status ek_transpose_conv_s8(const ek_transpose_conv_s8_params *p, const int8_t *x, int8_t *y);
ek_status ek_transpose_conv_f32(const ek_transpose_conv_f32_params *p, const float *x, float *y);

/* x [rows][depth] -> y [rows][units]; backward: from the last row to the first */
typedef struct {
  int32_t rows, depth, units, backward;
  const int8_t *weights; /* [units][depth] */
  int32_t offset;        /* minus the zero point of the input */
  ek_requantize requantize;
} ek_fully_connected_s8_params;

typedef struct {
  int32_t rows, depth, units, backward;
  const float *weights; /* [units][depth] */
  ek_finish_f32 finish;
} ek_fully_connected_f32_params;

ek_status ek_fully_connected_s8(const ek_fully_connected_s8_params *p, const int8_t *x, int8_t *y);
ek_status ek_fully_connected_f32(const ek_fully_connected_f32_params *p, const float *x, float *y);

#endif
