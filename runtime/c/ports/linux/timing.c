#define _GNU_SOURCE
#include "timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JUDGED = 10 };

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void sort(uint64_t *ns, size_t count) { qsort(ns, count, sizeof *ns, ascending); }

/* The smallest sample with at least p of all at or below it. */
static uint64_t percentile(const uint64_t *ordered, size_t count, double p) {
  const double rank = ceil(p * (double)count);
  return ordered[rank < 1 ? 0 : (size_t)rank - 1];
}

static uint64_t timed_run(timed run, void *subject) {
  const uint64_t start = now_ns();
  run(subject);
  return now_ns() - start;
}

static double median_of_5(const uint64_t *ns) {
  uint64_t five[5];
  memcpy(five, ns, sizeof five);
  sort(five, 5);
  return (double)five[2];
}

static int is_steady(const uint64_t *last_ten) {
  const double before = median_of_5(last_ten), last = median_of_5(last_ten + 5);
  return fabs(last - before) < 0.05 * before;
}

warmup warm_up(timed run, void *subject, const timing_plan *plan) {
  uint64_t last_ten[JUDGED];
  const uint64_t start = now_ns();
  warmup w = {0, 0.0, 0};
  for (;;) {
    memmove(last_ten, last_ten + 1, sizeof last_ten - sizeof *last_ten);
    last_ten[JUDGED - 1] = timed_run(run, subject);
    ++w.runs;
    w.seconds = (double)(now_ns() - start) / 1e9;
    if (w.runs < JUDGED) continue;
    w.steady = w.runs >= plan->warmup_runs && w.seconds >= plan->warmup_seconds && is_steady(last_ten);
    if (w.steady || w.seconds >= plan->warmup_max_seconds) return w;
  }
}

static int keep(samples *s, uint64_t ns) {
  if (s->count == s->room) {
    const size_t room = s->room ? 2 * s->room : 4096;
    uint64_t *more = realloc(s->ns, room * sizeof *more);
    if (more == 0) return 0;
    s->ns = more;
    s->room = room;
  }
  s->ns[s->count++] = ns;
  s->sum_ns += ns;
  return 1;
}

static int measure_window(timed run, timed between, void *subject, const timing_plan *plan, samples *s, size_t *count,
                          uint64_t start, uint64_t *last_between) {
  const uint64_t before_ns = s->sum_ns;
  while (*count * WINDOWS < plan->runs || (double)(s->sum_ns - before_ns) * WINDOWS < plan->seconds * 1e9) {
    const uint64_t now = now_ns();
    if ((double)(now - start) > plan->max_seconds * 1e9 && *count > 0) break;
    if (now - *last_between >= 1000000000u) {
      between(subject);
      run(subject);
      *last_between = now_ns();
    }
    if (!keep(s, timed_run(run, subject))) return 0;
    ++*count;
  }
  return 1;
}

int measure(timed run, timed between, void *subject, const timing_plan *plan, samples *s) {
  const uint64_t start = now_ns();
  uint64_t last_between = start;
  memset(s, 0, sizeof *s);
  for (int k = 0; k < WINDOWS; ++k)
    if (!measure_window(run, between, subject, plan, s, &s->windows[k], start, &last_between)) return 0;
  return 1;
}

static void json_tail(json *j, const char *name, const samples *s, double p, size_t enough) {
  if (s->count < enough)
    json_null(j, name);
  else
    json_seconds(j, name, percentile(s->ns, s->count, p));
}

static size_t outliers(const samples *s, uint64_t median) {
  size_t found = 0;
  while (found < s->count && s->ns[s->count - 1 - found] > 3 * median) ++found;
  return found;
}

/* Median distance from the median. */
static int spread(const samples *s, uint64_t median, uint64_t *found) {
  uint64_t *away = malloc(s->count * sizeof *away);
  if (away == 0) return 0;
  for (size_t i = 0; i < s->count; ++i) away[i] = s->ns[i] > median ? s->ns[i] - median : median - s->ns[i];
  sort(away, s->count);
  *found = percentile(away, s->count, 0.5);
  free(away);
  return 1;
}

static void window_medians(samples *s, uint64_t medians[WINDOWS]) {
  uint64_t *window = s->ns;
  for (int k = 0; k < WINDOWS; window += s->windows[k++]) {
    sort(window, s->windows[k]);
    medians[k] = percentile(window, s->windows[k], 0.5);
  }
}

static void json_windows(json *j, const samples *s, const uint64_t medians[WINDOWS]) {
  json_open(j, "windows", '[');
  for (int k = 0; k < WINDOWS; ++k) {
    json_open(j, 0, '{');
    json_int(j, "runs", (int64_t)s->windows[k]);
    json_seconds(j, "p50_s", medians[k]);
    json_close(j, '}');
  }
  json_close(j, ']');
}

int json_statistics(json *j, samples *s) {
  uint64_t medians[WINDOWS], median, mad;
  window_medians(s, medians);
  sort(s->ns, s->count);
  median = percentile(s->ns, s->count, 0.5);
  if (!spread(s, median, &mad)) return 0;
  json_seconds(j, "p50_s", median);
  json_seconds(j, "p90_s", percentile(s->ns, s->count, 0.9));
  json_tail(j, "p99_s", s, 0.99, 1000);
  json_tail(j, "p999_s", s, 0.999, 10000);
  json_windows(j, s, medians);
  sort(medians, WINDOWS);
  json_seconds(j, "median_of_windows_s", percentile(medians, WINDOWS, 0.5));
  json_seconds(j, "min_s", s->ns[0]);
  json_seconds(j, "max_s", s->ns[s->count - 1]);
  json_seconds(j, "mad_s", mad);
  json_int(j, "outliers", (int64_t)outliers(s, median));
  json_int(j, "runs", (int64_t)s->count);
  return 1;
}

int write_samples(const char *path, const samples *s, size_t *kept, size_t *stride) {
  const size_t most = (1u << 20) / sizeof *s->ns;
  FILE *file = fopen(path, "wb");
  if (file == 0) return 0;
  *stride = (s->count + most - 1) / most;
  *kept = 0;
  for (size_t i = 0; i < s->count; i += *stride) *kept += fwrite(s->ns + i, sizeof *s->ns, 1, file);
  return fclose(file) == 0 && *kept == (s->count + *stride - 1) / *stride;
}
