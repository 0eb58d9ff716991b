/* Values of several shapes spread over the shape of an output, as runs of neighbouring output elements. */
#ifndef EK_BROADCAST_H
#define EK_BROADCAST_H

#include <stdint.h>

typedef struct {
  int32_t runs, run;    /* the output has runs * run elements */
  int32_t steps[3];     /* of each operand, from one element of a run to the next: 0 or 1 */
  int32_t axes;         /* 0 where one run is all */
  const int32_t *jumps; /* [axes][4]: after every jumps[k][0] runs the operands move on by the other three, in elements */
} ek_broadcast;

/* runs done, and the element of each operand at which the next run starts */
typedef struct {
  int32_t done;
  int32_t at[3];
} ek_position;

void ek_next_run(const ek_broadcast *over, ek_position *position);

#endif
