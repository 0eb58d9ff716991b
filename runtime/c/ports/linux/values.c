/* Arrays of applications to those of the model and back: quantized, transposed. Needs no C library. */
#include "native.h"

enum { RANK = 8 };

static const int32_t SIZES[] = {1, 1, 2, 4, 8, 4, 1}; /* in the order of ek_dtype */

int32_t edgekit_count(const ek_value *value) { return value->bytes / SIZES[value->dtype]; }

int edgekit_is_real(const ek_value *value) { return value->dtype == EK_F32 || value->scale > 0; }

/* Where the application's element `index` lies in the model's array: the axes of the one are those of the other,
   transposed. */
static int32_t place_of(const ek_view *view, int32_t index) {
  int32_t at[RANK], place = 0;
  if (view->permutation == 0) return index;
  for (int32_t axis = view->rank - 1; axis >= 0; --axis) {
    at[axis] = index % view->app_shape[axis];
    index /= view->app_shape[axis];
  }
  for (int32_t k = 0; k < view->rank; ++k)
    place = place * view->app_shape[view->permutation[k]] + at[view->permutation[k]];
  return place;
}

static int64_t integer_at(ek_dtype dtype, const void *stored, int32_t i) {
  switch (dtype) {
    case EK_S8: return ((const int8_t *)stored)[i];
    case EK_S16: return ((const int16_t *)stored)[i];
    case EK_S32: return ((const int32_t *)stored)[i];
    case EK_S64: return ((const int64_t *)stored)[i];
    default: return ((const uint8_t *)stored)[i];
  }
}

static void put_integer(ek_dtype dtype, void *stored, int32_t i, int64_t q) {
  switch (dtype) {
    case EK_S8: ((int8_t *)stored)[i] = (int8_t)q; break;
    case EK_S16: ((int16_t *)stored)[i] = (int16_t)q; break;
    case EK_S32: ((int32_t *)stored)[i] = (int32_t)q; break;
    case EK_S64: ((int64_t *)stored)[i] = q; break;
    default: ((uint8_t *)stored)[i] = (uint8_t)q; break;
  }
}

static const double LOWEST[] = {-128.0, 0.0, -32768.0, -2147483648.0, -2251799813685248.0, 0.0, 0.0};
static const double HIGHEST[] = {127.0, 255.0, 32767.0, 2147483647.0, 2251799813685248.0, 0.0, 1.0};

/* x / scale, halves to the even neighbour, + zero point, clipped: as NumPy does it in float32. */
static int64_t quantized(const ek_value *value, float x) {
  const double round = 6755399441055744.0; /* 1.5 * 2^52: behind the point nothing is left of a sum with it */
  const float ratio = x / value->scale;
  const double low = LOWEST[value->dtype], high = HIGHEST[value->dtype];
  double q = (double)ratio;
  if (q < -2251799813685248.0) q = -2251799813685248.0;
  if (q > 2251799813685248.0) q = 2251799813685248.0;
  q = (q + round) - round + value->zero_point;
  return (int64_t)(q < low ? low : q > high ? high : q);
}

static int is_finite(float x) { return x - x == 0.0f; }

static int write_real(const ek_value *value, const ek_view *view, const float *app, void *stored) {
  const int32_t count = edgekit_count(value);
  int finite = 1;
  for (int32_t i = 0; i < count; ++i) {
    finite &= is_finite(app[i]);
    if (value->dtype == EK_F32)
      ((float *)stored)[place_of(view, i)] = app[i];
    else if (finite)
      put_integer(value->dtype, stored, place_of(view, i), quantized(value, app[i]));
  }
  return finite;
}

int edgekit_write(const ek_value *value, const ek_view *view, const void *app, void *stored) {
  const int32_t count = edgekit_count(value);
  if (edgekit_is_real(value)) return write_real(value, view, app, stored);
  for (int32_t i = 0; i < count; ++i)
    put_integer(value->dtype, stored, place_of(view, i), integer_at(value->dtype, app, i));
  return 1;
}

static float real_at(const ek_value *value, const void *stored, int32_t i) {
  if (value->dtype == EK_F32) return ((const float *)stored)[i];
  return ((float)integer_at(value->dtype, stored, i) - (float)value->zero_point) * value->scale;
}

void edgekit_read(const ek_value *value, const ek_view *view, const void *stored, void *app) {
  const int32_t count = edgekit_count(value), real = edgekit_is_real(value);
  for (int32_t i = 0; i < count; ++i) {
    const int32_t from = place_of(view, i);
    if (real)
      ((float *)app)[i] = real_at(value, stored, from);
    else
      put_integer(value->dtype, app, i, integer_at(value->dtype, stored, from));
  }
}
