/* Functions of float32 numbers, and the kernels that apply them element for element. An output may take the place of
   an input of its size. What a model does not use of this header costs nothing. */
#ifndef EK_FUNCTIONS_F32_H
#define EK_FUNCTIONS_F32_H

#include <math.h>

#include "edgekit.h"
#include "ek_broadcast.h"

typedef struct {
  int32_t size;
  float (*function)(float x);
} ek_map_f32_params;

ek_status ek_map_f32(const ek_map_f32_params *p, const float *x, float *y);

typedef struct {
  ek_broadcast over;
  float (*function)(float a, float b);
  float low, high; /* of the results; infinite where they are not clamped */
} ek_binary_f32_params;

ek_status ek_binary_f32(const ek_binary_f32_params *p, const float *a, const float *b, float *y);

typedef struct {
  int32_t size, count; /* elements; terms, up to 8 */
} ek_add_n_f32_params;

/* Sum of the first `count` operands; the others are not read. */
ek_status ek_add_n_f32(const ek_add_n_f32_params *p, const float *x0, const float *x1, const float *x2, const float *x3,
                       const float *x4, const float *x5, const float *x6, const float *x7, float *y);

/* of two numbers; a number that is not one stays so */
static inline float ek_plus_f32(float a, float b) { return a + b; }
static inline float ek_minus_f32(float a, float b) { return a - b; }
static inline float ek_times_f32(float a, float b) { return a * b; }
static inline float ek_quotient_f32(float a, float b) { return a / b; }
static inline float ek_squared_f32(float a, float b) { return (a - b) * (a - b); }
static inline float ek_smaller_f32(float a, float b) { return a < b || isnan(a) ? a : b; }
static inline float ek_larger_f32(float a, float b) { return a > b || isnan(a) ? a : b; }
static inline float ek_prelu_f32(float x, float alpha) { return x >= 0.0f ? x : x * alpha; }

/* of one number */
static inline float ek_elu_f32(float x) { return x < 0.0f ? expm1f(x) : x; }
static inline float ek_gelu_f32(float x) { return 0.5f * x * (1.0f + erff(x * 0.707106781f)); }
static inline float ek_gelu_tanh_f32(float x) {
  return 0.5f * x * (1.0f + tanhf(0.797884561f * (x + 0.044715f * x * x * x)));
}
static inline float ek_neg_f32(float x) { return -x; }
static inline float ek_rsqrt_f32(float x) { return 1.0f / sqrtf(x); }
static inline float ek_sign_f32(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
static inline float ek_square_f32(float x) { return x * x; }
static inline float ek_logistic_f32(float x) { return 1.0f / (1.0f + expf(-x)); }
static inline float ek_hard_swish_f32(float x) {
  const float gate = x + 3.0f;
  return x * (gate < 0.0f ? 0.0f : gate > 6.0f ? 6.0f : gate) / 6.0f;
}

#endif
