/* The loops around the two innermost axes of an ek_move_params, rows and the elements of a row. */
#ifndef EK_WALK_H
#define EK_WALK_H

#include "ek_movement.h"

typedef struct {
  int32_t at[EK_AXES];
  int32_t from, to; /* where the first row lies, what the outer axes say added up */
} ek_walk;

/* Where element i of an axis is read. */
static inline int32_t ek_place(const ek_move_params *p, int32_t axis, int32_t i) {
  return p->listed[axis] < 0 ? i * p->from[axis] : p->places[p->listed[axis] + i];
}

void ek_walk_start(const ek_move_params *p, ek_walk *walk);

/* 0 after the last one */
int32_t ek_walk_next(const ek_move_params *p, ek_walk *walk);

#endif
