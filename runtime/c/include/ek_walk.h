/* The loops around the innermost axis of an ek_move_params, one step at a time. */
#ifndef EK_WALK_H
#define EK_WALK_H

#include "ek_movement.h"

/* from[k], to[k]: where axes 0 to k - 1 have come to. The innermost axis starts at those of axes - 1. */
typedef struct {
  int32_t at[EK_AXES];
  int32_t from[EK_AXES], to[EK_AXES];
} ek_walk;

void ek_walk_start(const ek_move_params *p, ek_walk *walk);

/* 0 after the last one */
int32_t ek_walk_next(const ek_move_params *p, ek_walk *walk);

#endif
