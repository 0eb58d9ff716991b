/* A function that runs the model once -> samples in nanoseconds -> the figures of a benchmark. No sample is dropped. */
#ifndef EK_TIMING_H
#define EK_TIMING_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"

enum { WINDOWS = 5 };

/* How long to measure. Every limit is a minimum, except those named max. */
typedef struct {
  uint64_t runs, warmup_runs;
  double seconds, warmup_seconds, warmup_max_seconds, max_seconds;
} timing_plan;

typedef struct {
  uint64_t runs;
  double seconds;
  int steady;
} warmup;

/* All samples in the order of measurement; window k has the next windows[k] of them. */
typedef struct {
  uint64_t *ns;
  size_t count, room;
  size_t windows[WINDOWS];
  uint64_t sum_ns;
} samples;

typedef void (*timed)(void *subject);

uint64_t now_ns(void);

/* Runs until steady: the median of the last 5 runs within 5 % of that of the 5 before. */
warmup warm_up(timed run, void *subject, const timing_plan *plan);

/* `between` is called about once a second, between two timed runs; an untimed run follows it. 0 where memory ends. */
int measure(timed run, timed between, void *subject, const timing_plan *plan, samples *s);

/* The figures, and the samples are sorted afterwards. 0 where memory ends. */
int json_statistics(json *j, samples *s);

/* Little-endian uint64, at most 1 MiB: of more samples each stride-th is kept. 0 where it cannot be written. */
int write_samples(const char *path, const samples *s, size_t *kept, size_t *stride);

#endif
