/* From one run of a broadcast to the next. An axis moves on where all axes inside of it begin anew. */
#include "ek_broadcast.h"

void ek_next_run(const ek_broadcast *over, ek_position *position) {
  const int32_t *jump = over->jumps;
  ++position->done;
  for (int32_t k = 0; k < over->axes && position->done % jump[0] == 0; ++k) {
    for (int32_t i = 0; i < 3; ++i) position->at[i] += jump[i + 1];
    jump += 4;
  }
}
