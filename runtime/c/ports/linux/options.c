#define _GNU_SOURCE
#include "options.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
  "usage: %s COMMAND [options]\n"
  "  info                    what the model and the board are\n"
  "  run INPUTS OUTPUTS      raw little-endian files, - for standard input and output; all samples that are there\n"
  "  selftest [GOLDEN]       runs the golden inputs; a release folder, or golden.raw\n"
  "  bench [GOLDEN]          checks the outputs, then measures\n"
  "options: --out FILE  --cpus 0,2-3  --emulated  --sys-root DIR\n"
  "  bench: --rigor normal|mlperf  --runs N  --seconds S  --max-seconds S  --warmup-max-seconds S  --samples FILE\n"
  "         --max-start-c C  --max-wait-s S\n"
  "Exit codes: 0 done, 2 wrong usage, 3 outputs differ, 4 cannot be loaded, 5 failed while running.\n";

static const timing_plan NORMAL = {50, 5, 10.0, 1.0, 10.0, 240.0};

static int wrong(const char *what, const char *got) {
  fprintf(stderr, "edgekit: %s %s\n", what, got);
  return 0;
}

static int seconds(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return *text && *end == 0 && isfinite(*value) && *value > 0;
}

static int real(const char *text, double *value) {
  char *end;
  *value = strtod(text, &end);
  return *text && *end == 0 && isfinite(*value);
}

static int positive(const char *text, uint64_t *value) {
  char *end;
  *value = strtoull(text, &end, 10);
  return *text >= '1' && *text <= '9' && *end == 0;
}

/* -1 where the text begins with no digit. */
static long number(const char *text, char **end) {
  const int is_number = *text >= '0' && *text <= '9';
  const long value = strtol(text, end, 10);
  return is_number ? value : -1;
}

/* 0,2-3: this process runs on these CPUs only. */
static int cpus(const char *text) {
  cpu_set_t set;
  char *end;
  CPU_ZERO(&set);
  for (;; text = end + 1) {
    const long first = number(text, &end), last = *end == '-' ? number(end + 1, &end) : first;
    if (first < 0 || last < first || last >= CPU_SETSIZE) return 0;
    for (long i = first; i <= last; ++i) CPU_SET((size_t)i, &set);
    if (*end != ',') break;
  }
  return *end == 0 && sched_setaffinity(0, sizeof set, &set) == 0;
}

static int rigor(options *o, const char *text) {
  if (strcmp(text, "mlperf") == 0) {
    o->plan.runs = 1024;
    o->plan.seconds = 60.0;
  }
  return strcmp(text, "mlperf") == 0 || strcmp(text, "normal") == 0;
}

static int value_of(options *o, const char *name, const char *text) {
  uint64_t threads;
  if (strcmp(name, "--out") == 0) return o->out = text, 1;
  if (strcmp(name, "--samples") == 0) return o->samples = text, 1;
  if (strcmp(name, "--sys-root") == 0) return o->sys_root = text, 1;
  if (strcmp(name, "--runtime") == 0) return o->runtime = text, 1;
  if (strcmp(name, "--threads") == 0) return positive(text, &threads); /* it has one */
  if (strcmp(name, "--cpus") == 0) return cpus(text);
  if (strcmp(name, "--rigor") == 0) return rigor(o, text);
  if (strcmp(name, "--runs") == 0) return positive(text, &o->plan.runs);
  if (strcmp(name, "--seconds") == 0) return seconds(text, &o->plan.seconds);
  if (strcmp(name, "--max-seconds") == 0) return seconds(text, &o->plan.max_seconds);
  if (strcmp(name, "--warmup-max-seconds") == 0) return seconds(text, &o->plan.warmup_max_seconds);
  if (strcmp(name, "--max-start-c") == 0) return real(text, &o->max_start_c);
  if (strcmp(name, "--max-wait-s") == 0) return real(text, &o->max_wait_s);
  return 0;
}

static int word(options *o, int argc, char **argv, int *i) {
  const char *text = argv[*i];
  if (strcmp(text, "--emulated") == 0) return o->emulated = 1;
  if (text[0] == '-' && text[1] != 0) {
    if (*i + 1 >= argc) return wrong("a value is missing behind", text);
    if (!value_of(o, text, argv[++*i])) return wrong(text, argv[*i]);
    return 1;
  }
  if (o->command == 0) return o->command = text, 1;
  if (o->path_count == 2) return wrong("too many words:", text);
  o->paths[o->path_count++] = text;
  return 1;
}

/* --rigor first: the options that say more exactly what it says stand over it, in whatever order. */
static int rigors(options *o, int argc, char **argv) {
  for (int i = 1; i + 1 < argc; ++i)
    if (strcmp(argv[i], "--rigor") == 0 && !rigor(o, argv[i + 1])) return wrong("--rigor", argv[i + 1]);
  return 1;
}

int options_read(options *o, int argc, char **argv) {
  memset(o, 0, sizeof *o);
  o->out = "-";
  o->sys_root = "/";
  o->plan = NORMAL;
  o->max_start_c = 60.0;
  o->max_wait_s = 120.0;
  if (!rigors(o, argc, argv)) return 0;
  for (int i = 1; i < argc; ++i)
    if (!word(o, argc, argv, &i)) return 0;
  if (o->command && strcmp(o->command, "help") != 0) return 1;
  fprintf(stderr, USAGE, argv[0]);
  return 0;
}
