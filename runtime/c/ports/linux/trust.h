/* Conditions of a measurement -> whether its figures may be trusted, and every reason why not. Unknown is not "no". */
#ifndef EK_TRUST_H
#define EK_TRUST_H

#include "board.h"
#include "timing.h"

typedef struct {
  conditions before, after, *during;
  size_t during_count;
} measured_conditions;

typedef struct {
  int throttled; /* -1: the board gives no way to know */
  char evidence[160];
} throttling;

/* What a judgement looks at beside the conditions. */
typedef struct {
  int emulated, interrupted;
  warmup warm;
  uint64_t runs;
  double measured_s, max_start_c;
} circumstances;

throttling throttled(const measured_conditions *m);

/* Members "throttled", "throttle_evidence", "reasons" and "trusted". */
void json_trust(json *j, const measured_conditions *m, const circumstances *c);

#endif
