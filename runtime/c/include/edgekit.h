/* edgekit: what every generated model shares. A generated header includes it; applications need only that header. */
#ifndef EDGEKIT_H
#define EDGEKIT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  EK_OK = 0,
  EK_RANGE = 1 /* an index that the model computed lies outside of its table */
} ek_status;

typedef enum { EK_S8, EK_U8, EK_S16, EK_S32, EK_S64, EK_F32, EK_B8 } ek_dtype;

/* One input or output of a model. real value = (stored - zero_point) * scale where `scale` is not 0. */
typedef struct {
  const char *name;
  ek_dtype dtype;
  int32_t rank;
  const int32_t *shape;
  int32_t bytes;
  int32_t offset; /* in the arena */
  float scale;
  int32_t zero_point;
} ek_value;

/* A model for programs that run any: a test bench, the native runner. Applications use the functions of its header. */
typedef struct {
  const char *name;
  int32_t arena_bytes; /* at an address that is a multiple of 8 */
  int32_t input_count;
  const ek_value *inputs;
  int32_t output_count;
  const ek_value *outputs;
  void (*init)(void *arena);
  ek_status (*invoke)(void *arena);
} ek_model;

/* The stored integer nearest to a real value, halves away from zero; low and high are the ends of its type. What is no
   number becomes low. */
static inline int32_t ek_quantize(float real, float scale, int32_t zero_point, int32_t low, int32_t high) {
  const float steps = real / scale;
  if (!(steps > (float)(low - zero_point))) return low;
  if (steps >= (float)(high - zero_point)) return high;
  return (int32_t)(steps + (steps < 0.0f ? -0.5f : 0.5f)) + zero_point;
}

#ifdef __cplusplus
}
#endif
#endif
