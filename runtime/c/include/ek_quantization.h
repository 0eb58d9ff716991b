/* Changes of how numbers are stored. Each element is read before it is written: the output may take the place of the
   input, or where it is larger lie so that both end together. */
#ifndef EK_QUANTIZATION_H
#define EK_QUANTIZATION_H

#include "edgekit.h"

/* (x - x_zero) * multiplier * 2^(shift - 31), clamped to low and high, + zero. Between integers of 8, 16 and 32 bits. */
typedef struct {
  int32_t size;
  ek_dtype from, to;
  int32_t x_zero, multiplier, shift;
  int32_t low, high, zero; /* low and high without the zero */
} ek_requantize_s32_params;

ek_status ek_requantize_s32(const ek_requantize_s32_params *p, const void *x, void *y);

/* x / scale to the nearest integer, halves away from zero, clamped, + zero. To integers of 8, 16 and 32 bits; what is
   not a number becomes the lowest one. */
typedef struct {
  int32_t size;
  ek_dtype to;
  float scale;
  int32_t low, high, zero; /* low and high without the zero */
} ek_quantize_f32_params;

ek_status ek_quantize_f32(const ek_quantize_f32_params *p, const float *x, void *y);

/* (x - zero) * scale. */
typedef struct {
  int32_t size;
  ek_dtype from;
  float scale;
  int32_t zero;
} ek_dequantize_params;

ek_status ek_dequantize_s16(const ek_dequantize_params *p, const void *x, float *y); /* of 8 and 16 bits */
ek_status ek_dequantize_s32(const ek_dequantize_params *p, const int32_t *x, float *y);

/* Numbers as they are, in another type. */
typedef struct {
  int32_t size;
  ek_dtype from, to;
} ek_cast_params;

ek_status ek_cast_s64(const ek_cast_params *p, const void *x, void *y); /* integers to integers: the low bits */
ek_status ek_cast_s64_to_f32(const ek_cast_params *p, const void *x, float *y);

typedef struct {
  int32_t size;
  ek_dtype to;
  int64_t low, high; /* of that type */
} ek_cast_f32_to_s64_params;

/* towards zero, saturated; what is not a number becomes 0, or true */
ek_status ek_cast_f32_to_s64(const ek_cast_f32_to_s64_params *p, const float *x, void *y);

#endif
