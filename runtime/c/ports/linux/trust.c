#include "trust.h"

#include <stdarg.h>
#include <string.h>

enum { NOW_BITS = 0xF, STICKY_BITS = 0xF0000, ENOUGH_RUNS = 50, ENOUGH_SECONDS = 10 };

static const char *const MEANINGS[] = {"under-voltage", "frequency capped", "throttled", "soft temperature limit"};

/* --- throttled or not */

/* The conditions one after the other: before, during, after; 0 behind the last. */
static const conditions *at(const measured_conditions *m, size_t i) {
  if (i == 0) return &m->before;
  if (i <= m->during_count) return &m->during[i - 1];
  return i == m->during_count + 1 ? &m->after : 0;
}

static int words_known(const measured_conditions *m) {
  for (size_t i = 0; at(m, i); ++i)
    if (at(m, i)->throttled_bits < 0) return 0;
  return 1;
}

/* A bit that is set now at any time, or a since-boot bit that was not set before. */
static throttling by_words(const measured_conditions *m) {
  throttling t = {0, ""};
  int64_t bits = (m->after.throttled_bits & ~m->before.throttled_bits & STICKY_BITS) >> 16;
  for (size_t i = 0; at(m, i); ++i) bits |= at(m, i)->throttled_bits & NOW_BITS;
  t.throttled = bits != 0;
  for (int bit = 0; bit < 4; ++bit) {
    if (!(bits >> bit & 1)) continue;
    if (t.evidence[0]) strcat(t.evidence, ", ");
    strcat(t.evidence, MEANINGS[bit]);
  }
  return t;
}

static int64_t lowest_hz(const measured_conditions *m) {
  int64_t low = -1;
  for (size_t i = 0; i < m->during_count; ++i) {
    const int64_t hz = m->during[i].frequency_hz;
    if (hz >= 0 && (low < 0 || hz < low)) low = hz;
  }
  return low;
}

static int is_below(int64_t hz, int64_t max_hz) { return (double)hz < 0.99 * (double)max_hz; }

static void below(char *text, size_t size, int64_t hz, int64_t max_hz) {
  snprintf(text, size, "CPU at %.0f MHz of %.0f MHz", (double)hz / 1e6, (double)max_hz / 1e6);
}

static int64_t cooling(const measured_conditions *m) {
  int64_t state = -1;
  for (size_t i = 0; at(m, i); ++i)
    if (at(m, i)->cooling_state > state) state = at(m, i)->cooling_state;
  return state;
}

throttling throttled(const measured_conditions *m) {
  throttling t = {-1, ""};
  const int64_t state = cooling(m), low = lowest_hz(m), max_hz = board_max_frequency_hz();
  if (words_known(m)) return by_words(m);
  if (state > 0) {
    t.throttled = 1;
    snprintf(t.evidence, sizeof t.evidence, "cooling device at state %lld", (long long)state);
  } else if (max_hz > 0 && low >= 0) {
    t.throttled = is_below(low, max_hz);
    if (t.throttled) below(t.evidence, sizeof t.evidence, low, max_hz);
  } else if (state == 0 && m->during_count > 0) {
    t.throttled = 0;
  }
  return t;
}

/* --- reasons */

static int reason(json *j, const char *format, ...) {
  char text[256];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  json_text(j, 0, text);
  return 1;
}

static int throttle_reason(json *j, const throttling *t) {
  if (t->throttled < 0)
    return reason(
      j, "throttling unknown: this board shows neither get_throttled, nor cooling devices, nor CPU frequencies");
  return t->throttled ? reason(j, "throttled: %s", t->evidence) : 0;
}

static int frequency_reason(json *j, const measured_conditions *m) {
  const int64_t low = lowest_hz(m), max_hz = board_max_frequency_hz();
  char text[80];
  if (max_hz <= 0 || low <= 0 || !is_below(low, max_hz)) return 0;
  below(text, sizeof text, low, max_hz);
  return reason(j, "%s during the run (governor %s)", text, m->before.governor[0] ? m->before.governor : "unknown");
}

static int length_reason(json *j, const circumstances *c) {
  if (c->runs >= ENOUGH_RUNS && c->measured_s >= ENOUGH_SECONDS) return 0;
  return reason(j, "short: %llu runs in %.1f s, a report wants %d and %d s", (unsigned long long)c->runs, c->measured_s,
                (int)ENOUGH_RUNS, (int)ENOUGH_SECONDS);
}

static int load_reason(json *j, double load_1m) {
  const int32_t count = board_cpu_count();
  if (load_1m < 0) return reason(j, "load of the board unknown");
  if (load_1m <= 0.5 * count) return 0;
  return reason(j, "busy before the run: load %.2f, at most %.1f on %d CPUs", load_1m, 0.5 * count, (int)count);
}

static int temperature_reason(json *j, int32_t start_mc, double max_start_c) {
  if (start_mc == UNKNOWN_C) return reason(j, "start temperature unknown");
  if (start_mc <= max_start_c * 1000) return 0;
  return reason(j, "hot at the start: %.1f \xc2\xb0"
                   "C, at most %.0f \xc2\xb0"
                   "C",
                start_mc / 1000.0, max_start_c);
}

static int reasons(json *j, const measured_conditions *m, const circumstances *c, const throttling *t) {
  int found = c->emulated ? reason(j, "emulated: correctness, not speed") : 0;
  found += throttle_reason(j, t);
  found += frequency_reason(j, m);
  if (!c->warm.steady) found += reason(j, "not steady after %.1f s of warm-up", c->warm.seconds);
  found += length_reason(j, c);
  found += load_reason(j, m->before.load_1m);
  found += temperature_reason(j, m->before.temperature_mc, c->max_start_c);
  if (c->interrupted) found += reason(j, "the board restarted during the measurement");
  return found;
}

void json_trust(json *j, const measured_conditions *m, const circumstances *c) {
  const throttling t = throttled(m);
  int found;
  if (t.throttled < 0)
    json_null(j, "throttled");
  else
    json_bool(j, "throttled", t.throttled);
  json_open(j, "reasons", '[');
  found = reasons(j, m, c, &t);
  json_close(j, ']');
  json_bool(j, "trusted", found == 0);
  json_string(j, "throttle_evidence", t.evidence);
}
