/* Functions of two plain integers, for ek_binary_s32 and ek_binary_s64. What overflows wraps. */
#ifndef EK_PLAIN_INTEGERS_H
#define EK_PLAIN_INTEGERS_H

#include "ek_elementwise.h"

static inline int32_t ek_plus_s32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t ek_minus_s32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t ek_times_s32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
static inline int32_t ek_smaller_s32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t ek_larger_s32(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t ek_squared_s32(int32_t a, int32_t b) {
  const int32_t apart = ek_minus_s32(a, b);
  return ek_times_s32(apart, apart);
}

static inline int64_t ek_plus_s64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t ek_minus_s64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline int64_t ek_times_s64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static inline int64_t ek_smaller_s64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t ek_larger_s64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
