/* Elements of arrays whose integer type is known when the kernel runs. */
#ifndef EK_INTEGERS_H
#define EK_INTEGERS_H

#include "edgekit.h"

/* of up to 32 bits */
static inline int32_t ek_load_s32(const void *x, ek_dtype dtype, int32_t i) {
  switch (dtype) {
    case EK_S8: return ((const int8_t *)x)[i];
    case EK_U8:
    case EK_B8: return ((const uint8_t *)x)[i];
    case EK_S16: return ((const int16_t *)x)[i];
    default: return ((const int32_t *)x)[i];
  }
}

static inline int64_t ek_load_s64(const void *x, ek_dtype dtype, int32_t i) {
  return dtype == EK_S64 ? ((const int64_t *)x)[i] : ek_load_s32(x, dtype, i);
}

/* the low bits of a number; of a truth whether it is not 0 */
static inline void ek_store_s32(void *y, ek_dtype dtype, int32_t i, int32_t value) {
  switch (dtype) {
    case EK_S8:
    case EK_U8: ((uint8_t *)y)[i] = (uint8_t)value; break;
    case EK_B8: ((uint8_t *)y)[i] = value != 0; break;
    case EK_S16: ((int16_t *)y)[i] = (int16_t)value; break;
    default: ((int32_t *)y)[i] = value;
  }
}

static inline void ek_store_s64(void *y, ek_dtype dtype, int32_t i, int64_t value) {
  if (dtype == EK_S64)
    ((int64_t *)y)[i] = value;
  else
    ek_store_s32(y, dtype, i, dtype == EK_B8 ? value != 0 : (int32_t)value);
}

#endif
