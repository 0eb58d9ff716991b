/* Elements moved to other places, unchanged: Transpose, Slice, Pad, Concat and all of their like. */
#ifndef EK_MOVEMENT_H
#define EK_MOVEMENT_H

#include "edgekit.h"

enum { EK_AXES = 6 };

/* Nested loops over `axes` axes, the last one innermost: element i of an axis is read at i * from[axis], or at
   places[listed[axis] + i] where listed[axis] is not negative, and written at i * to[axis]; what the axes say is added
   up. All in elements of the kernel's type. */
typedef struct {
  int32_t axes; /* 2 to EK_AXES */
  int32_t count[EK_AXES];
  int32_t from[EK_AXES], to[EK_AXES];
  int32_t listed[EK_AXES];
  const int32_t *places;
  int32_t from_start, to_start;
  int32_t backward; /* from the last element to the first */
} ek_move_params;

/* The innermost axis is a run of neighbours on both sides; in bytes. */
ek_status ek_copy(const ek_move_params *p, const void *x, void *y);

/* By size of the elements; f32 by itself because C may not read a float as another type. */
ek_status ek_move_s8(const ek_move_params *p, const void *x, void *y);
ek_status ek_move_s16(const ek_move_params *p, const void *x, void *y);
ek_status ek_move_s32(const ek_move_params *p, const void *x, void *y);
ek_status ek_move_s64(const ek_move_params *p, const void *x, void *y);
ek_status ek_move_f32(const ek_move_params *p, const void *x, void *y);

/* x [outer][size][run] bytes, indices [count] -> y [outer][count][run]; an index outside takes the nearest. */
typedef struct {
  int32_t outer, size, count, run;
} ek_gather_params;

ek_status ek_gather_s32(const ek_gather_params *p, const void *x, const int32_t *indices, void *y);
ek_status ek_gather_s64(const ek_gather_params *p, const void *x, const int64_t *indices, void *y);

#endif
