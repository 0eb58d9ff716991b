/* One model as one program: checks itself, measures itself, runs on raw files. Its documents and exit codes are those
   of `python3 -m edgekit_runtime`; see options.c for the words. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"
#include "golden.h"
#include "options.h"
#include "sha256.h"
#include "trust.h"

enum { OK = 0, USAGE_ERROR = 2, MISMATCH = 3, CANNOT_LOAD = 4, RUN_FAILED = 5 };
enum { TEXT = 512 };

typedef struct {
  const options *o;
  const ek_native *native;
  uint8_t *arena;
  golden gold;
  uint32_t next; /* golden sample of the next run */
  ek_status status;
  measured_conditions seen;
  char program[PATH_MAX]; /* path of this file */
} session;

/* --- failures */

static int failed(json *j, int code, const char *message) {
  json_open(j, "error", '{');
  json_int(j, "code", code);
  json_text(j, "message", message);
  json_close(j, '}');
  return code;
}

static int failed_run(json *j, ek_status status) {
  return failed(j, RUN_FAILED, status == EK_RANGE ? "an index that the model computed lies outside of its table"
                                                  : "the model failed");
}

/* --- the model */

/* Memory, and the model in its first state. */
static int load(session *s) {
  void *memory = 0;
  if (posix_memalign(&memory, 64, (size_t)s->native->model->arena_bytes) != 0) return 0;
  s->arena = memory;
  memset(memory, 0, (size_t)s->native->model->arena_bytes);
  s->native->model->init(memory);
  return 1;
}

static void find_program(session *s) {
  const ssize_t length = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
  s->program[length > 0 ? length : 0] = 0;
}

/* golden.raw: as named, in the release or model folder that is named, or beside this program. */
static const char *find_golden(const session *s, char path[PATH_MAX]) {
  static const char *const PLACES[] = {"", "/golden.raw", "/model/golden.raw", "/../model/golden.raw"};
  const char *base = s->o->path_count ? s->o->paths[0] : s->program;
  const char *slash = s->o->path_count ? 0 : strrchr(base, '/');
  struct stat about;
  for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; ++i) {
    snprintf(path, PATH_MAX, "%.*s%s", slash ? (int)(slash - base) : (int)strlen(base), base, PLACES[i]);
    if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) return path;
  }
  return base;
}

/* 0, or why there is no golden data; `text` may hold it. */
static const char *open_golden(session *s, char text[TEXT]) {
  char path[PATH_MAX];
  const char *found = find_golden(s, path), *why = golden_open(&s->gold, s->native, found);
  if (why == 0) return 0;
  snprintf(text, TEXT, "%.300s: %s", found, why);
  return text;
}

static void run_next(void *subject) {
  session *s = subject;
  golden_input(&s->gold, s->next, s->arena);
  s->next = (s->next + 1) % s->gold.count;
  s->status = s->native->model->invoke(s->arena) == EK_OK ? s->status : EK_RANGE;
}

/* --- what is said of it */

static void file_sha256(const char *path, char text[65]) {
  uint8_t block[4096];
  size_t count;
  sha256 digest;
  FILE *file = fopen(path, "rb");
  sha256_begin(&digest);
  while (file && (count = fread(block, 1, sizeof block, file)) > 0) sha256_add(&digest, block, count);
  sha256_end(&digest, text);
  if (file == 0) text[0] = 0;
  if (file) fclose(file);
}

static void json_model_sha256(json *j, const session *s) {
  char text[65];
  file_sha256(s->program, text);
  json_string(j, "model_sha256", text);
}

static void json_runtime(json *j, const session *s, int with_precision) {
  json_open(j, "runtime", '{');
  json_text(j, "name", "native");
  json_text(j, "version", s->native->version);
  json_open(j, "providers", '[');
  json_close(j, ']');
  json_text(j, "built_for", s->native->built_for);
  if (with_precision) json_text(j, "precision", s->native->precision);
  json_close(j, '}');
}

static void json_numbers(json *j, const char *name, const int32_t *numbers, int32_t count) {
  json_open(j, name, '[');
  for (int32_t i = 0; i < count; ++i) json_int(j, 0, numbers[i]);
  json_close(j, ']');
}

static void json_value(json *j, const ek_value *value, const ek_view *view) {
  static const char *const DTYPES[] = {"int8", "uint8", "int16", "int32", "int64", "float32", "bool"};
  json_open(j, 0, '{');
  json_text(j, "name", value->name);
  json_numbers(j, "shape", value->shape, value->rank);
  json_text(j, "dtype", DTYPES[value->dtype]);
  if (value->scale > 0) {
    json_number(j, "scale", (double)value->scale);
    json_int(j, "zero_point", value->zero_point);
  } else {
    json_null(j, "scale");
    json_null(j, "zero_point");
  }
  if (view->tolerance < 0)
    json_null(j, "tolerance");
  else
    json_number(j, "tolerance", view->tolerance);
  if (view->permutation)
    json_numbers(j, "permutation", view->permutation, view->rank);
  else
    json_null(j, "permutation");
  json_numbers(j, "app_shape", view->app_shape, view->rank);
  json_close(j, '}');
}

static void json_identity(json *j, const session *s) {
  const ek_model *model = s->native->model;
  json_text(j, "name", model->name);
  json_text(j, "precision", s->native->precision);
  json_runtime(j, s, 0);
  json_int(j, "threads", 1);
  json_int(j, "arena_bytes", model->arena_bytes);
  json_model_sha256(j, s);
  json_open(j, "inputs", '[');
  for (int32_t i = 0; i < model->input_count; ++i) json_value(j, &model->inputs[i], &s->native->inputs[i]);
  json_close(j, ']');
  json_open(j, "output_values", '[');
  for (int32_t i = 0; i < model->output_count; ++i) json_value(j, &model->outputs[i], &s->native->outputs[i]);
  json_close(j, ']');
}

/* --- info, selftest */

static int info(session *s, json *j) {
  conditions now;
  json_identity(j, s);
  json_board(j, "board");
  conditions_now(&now);
  json_conditions(j, "conditions", &now);
  return OK;
}

static int selftest(session *s, json *j) {
  char text[TEXT];
  const char *why = open_golden(s, text);
  const uint64_t start = now_ns();
  verdict v;
  if (why) return failed(j, CANNOT_LOAD, why);
  if (!load(s)) return failed(j, CANNOT_LOAD, "out of memory");
  json_seconds(j, "load_s", now_ns() - start);
  s->status = golden_check(&s->gold, s->arena, &v);
  if (s->status != EK_OK) return failed_run(j, s->status);
  json_verdict(j, &s->gold, &v);
  json_known(j, "peak_rss_bytes", peak_rss_bytes());
  json_identity(j, s);
  if (v.ok) return OK;
  mismatch(&s->gold, &v, text, sizeof text);
  return failed(j, MISMATCH, text);
}

/* --- run: raw files */

static int move_values(const ek_value *values, int32_t count, uint8_t *arena, FILE *file, int writing) {
  for (int32_t i = 0; i < count; ++i) {
    const size_t bytes = (size_t)values[i].bytes;
    uint8_t *at = arena + values[i].offset;
    const size_t done = writing ? fwrite(at, 1, bytes, file) : fread(at, 1, bytes, file);
    if (done != bytes) return i == 0 && done == 0 ? 0 : -1;
  }
  return 1;
}

static int complain(int code, const char *path, const char *why) {
  fprintf(stderr, "edgekit: %s: %s\n", path, why);
  return code;
}

static int run_all(session *s, FILE *from, FILE *to) {
  const ek_model *model = s->native->model;
  int more = move_values(model->inputs, model->input_count, s->arena, from, 0);
  if (more == 0) return complain(RUN_FAILED, s->o->paths[0], "holds no sample");
  while (more > 0) {
    if (model->invoke(s->arena) != EK_OK) return complain(RUN_FAILED, s->o->paths[0], "an index is out of range");
    if (move_values(model->outputs, model->output_count, s->arena, to, 1) != 1)
      return complain(RUN_FAILED, s->o->paths[1], "cannot be written");
    more = model->input_count ? move_values(model->inputs, model->input_count, s->arena, from, 0) : 0;
  }
  return more == 0 ? OK : complain(RUN_FAILED, s->o->paths[0], "ends in the middle of a sample");
}

static int run(session *s) {
  const char *in = s->o->path_count ? s->o->paths[0] : "-", *out = s->o->path_count > 1 ? s->o->paths[1] : "-";
  FILE *from = strcmp(in, "-") == 0 ? stdin : fopen(in, "rb");
  FILE *to;
  int code;
  if (s->o->path_count != 2) return complain(USAGE_ERROR, "run", "needs INPUTS and OUTPUTS");
  if (from == 0) return complain(RUN_FAILED, in, strerror(errno));
  to = strcmp(out, "-") == 0 ? stdout : fopen(out, "wb");
  if (to == 0) return complain(RUN_FAILED, out, strerror(errno));
  if (!load(s)) return complain(CANNOT_LOAD, s->native->model->name, "out of memory");
  code = run_all(s, from, to);
  if (fclose(to) != 0 && code == OK) code = complain(RUN_FAILED, out, "cannot be written");
  return code;
}

/* --- a new process: load time, first run and peak memory */

typedef struct {
  uint64_t ready_ns, first_ns;
  int64_t peak_bytes;
} fresh_figures;

/* In the new process; the figures go to standard output. */
static int fresh(session *s) {
  char text[TEXT];
  fresh_figures f;
  uint64_t start;
  if (!load(s)) return CANNOT_LOAD;
  f.ready_ns = now_ns();
  if (open_golden(s, text)) return CANNOT_LOAD;
  start = now_ns();
  run_next(s);
  f.first_ns = now_ns() - start;
  for (int i = 0; i < 3; ++i) run_next(s);
  f.peak_bytes = peak_rss_bytes();
  return write(1, &f, sizeof f) == (ssize_t)sizeof f ? OK : RUN_FAILED;
}

static void become_fresh(const session *s, int to) {
  char path[PATH_MAX];
  dup2(to, 1);
  execl(s->program, s->program, "fresh", find_golden(s, path), (char *)0);
  _exit(127);
}

/* 0, or why there are no figures. load_s is from before the program was started. */
static const char *in_fresh_process(const session *s, fresh_figures *f, uint64_t *load_ns) {
  int ends[2], status;
  const uint64_t start = now_ns();
  pid_t child;
  ssize_t got;
  if (pipe(ends) != 0 || (child = fork()) < 0) return "the program cannot be started a second time";
  if (child == 0) become_fresh(s, ends[1]);
  close(ends[1]);
  got = read(ends[0], f, sizeof *f);
  close(ends[0]);
  if (waitpid(child, &status, 0) != child || status != 0 || got != (ssize_t)sizeof *f)
    return "loading the model in a new process failed";
  *load_ns = f->ready_ns - start;
  return 0;
}

/* --- bench */

static double wait_until_cool(const options *o) {
  double waited_s = 0.0;
  while (waited_s < o->max_wait_s) {
    const int32_t now = board_temperature_mc();
    if (now == UNKNOWN_C || now <= o->max_start_c * 1000) break;
    sleep(1);
    waited_s += 1.0;
  }
  return waited_s;
}

static void look_around(void *subject) {
  measured_conditions *m = &((session *)subject)->seen;
  conditions *more = realloc(m->during, (m->during_count + 1) * sizeof *more);
  if (more == 0) return;
  m->during = more;
  conditions_now(&more[m->during_count++]);
}

static void json_seen(json *j, const measured_conditions *m) {
  json_open(j, "conditions", '{');
  json_conditions(j, "before", &m->before);
  json_open(j, "during", '[');
  for (size_t i = 0; i < m->during_count; ++i) json_conditions(j, 0, &m->during[i]);
  json_close(j, ']');
  json_conditions(j, "after", &m->after);
  json_close(j, '}');
}

static void json_golden(json *j, const verdict *v) {
  json_open(j, "golden", '{');
  json_bool(j, "checked", 1);
  json_number(j, "max_abs_error", v->max_abs_error);
  if (v->tolerance < 0)
    json_null(j, "tolerance");
  else
    json_number(j, "tolerance", v->tolerance);
  json_close(j, '}');
}

static void json_samples(json *j, const options *o, const samples *measured) {
  size_t kept, stride;
  if (o->samples == 0 || !write_samples(o->samples, measured, &kept, &stride)) {
    json_null(j, "samples");
    return;
  }
  json_open(j, "samples", '{');
  json_text(j, "file", o->samples);
  json_int(j, "kept", (int64_t)kept);
  json_int(j, "stride", (int64_t)stride);
  json_close(j, '}');
}

static void json_warmup(json *j, const warmup *w) {
  json_open(j, "warmup", '{');
  json_int(j, "runs", (int64_t)w->runs);
  json_number(j, "seconds", w->seconds);
  json_bool(j, "steady", w->steady);
  json_close(j, '}');
}

static int golden_before_timing(session *s, json *j, verdict *v) {
  char text[TEXT];
  if (!load(s)) return failed(j, CANNOT_LOAD, "out of memory");
  s->status = golden_check(&s->gold, s->arena, v);
  if (s->status != EK_OK) return failed_run(j, s->status);
  if (v->ok) return OK;
  json_open(j, "golden", '{');
  json_verdict(j, &s->gold, v);
  json_close(j, '}');
  mismatch(&s->gold, v, text, sizeof text);
  return failed(j, MISMATCH, text);
}

static int measured(session *s, json *j, circumstances *c) {
  samples found;
  int enough;
  c->warm = warm_up(run_next, s, &s->o->plan);
  enough = measure(run_next, look_around, s, &s->o->plan, &found);
  conditions_now(&s->seen.after);
  c->runs = found.count;
  c->measured_s = (double)found.sum_ns / 1e9;
  json_samples(j, s->o, &found);
  enough = enough && json_statistics(j, &found);
  free(found.ns);
  if (!enough) return failed(j, RUN_FAILED, "out of memory");
  json_warmup(j, &c->warm);
  return s->status == EK_OK ? OK : failed_run(j, s->status);
}

static void json_bound_to(json *j, const session *s) {
  json_runtime(j, s, 1);
  json_model_sha256(j, s);
  json_string(j, "input_sha256", s->gold.input_sha256);
  json_board(j, "board");
}

static int bench(session *s, json *j) {
  char text[TEXT], boot_before[BOARD_TEXT], boot_after[BOARD_TEXT];
  const char *why = open_golden(s, text);
  circumstances c = {s->o->emulated, 0, {0, 0.0, 0}, 0, 0.0, s->o->max_start_c};
  fresh_figures f;
  uint64_t load_ns;
  verdict v;
  int code;
  if (why) return failed(j, CANNOT_LOAD, why);
  board_boot_id(boot_before);
  json_number(j, "waited_s", wait_until_cool(s->o));
  conditions_now(&s->seen.before);
  if ((why = in_fresh_process(s, &f, &load_ns)) != 0) return failed(j, CANNOT_LOAD, why);
  if ((code = golden_before_timing(s, j, &v)) != OK) return code;
  if ((code = measured(s, j, &c)) != OK) return code;
  board_boot_id(boot_after);
  c.interrupted = strcmp(boot_before, boot_after) != 0;
  json_bound_to(j, s);
  json_bool(j, "emulated", c.emulated);
  json_bool(j, "interrupted", c.interrupted);
  json_seconds(j, "load_s", load_ns);
  json_seconds(j, "first_s", f.first_ns);
  json_known(j, "peak_rss_bytes", f.peak_bytes);
  json_text(j, "output_sha256", v.output_sha256);
  json_golden(j, &v);
  json_seen(j, &s->seen);
  json_text(j, "boot_id", boot_before);
  json_trust(j, &s->seen, &c);
  return OK;
}

/* --- the document */

static const struct {
  const char *name;
  int (*make)(session *, json *);
} DOCUMENTS[] = {{"info", info}, {"selftest", selftest}, {"bench", bench}};

static int document(session *s, int (*make)(session *, json *), FILE *file) {
  json j = {file, 1};
  int code;
  json_open(&j, 0, '{');
  json_int(&j, "schema", 1);
  if (s->o->runtime && strcmp(s->o->runtime, "native") != 0)
    code = failed(&j, CANNOT_LOAD, "this is a program of its own: its runtime is native");
  else
    code = make(s, &j);
  json_close(&j, '}');
  fputc('\n', file);
  return code;
}

/* Into a file that is open; what could not be written is told. */
static int written(session *s, int (*make)(session *, json *), FILE *file) {
  const int code = document(s, make, file);
  if (fflush(file) == 0 && !ferror(file)) return code;
  return complain(RUN_FAILED, s->o->out, "cannot be written");
}

/* Whole or not at all; into a device or pipe as it comes. */
static int to_file(session *s, int (*make)(session *, json *)) {
  char part[PATH_MAX];
  struct stat about;
  FILE *file;
  int code;
  if (strcmp(s->o->out, "-") == 0) return written(s, make, stdout);
  const int in_place = stat(s->o->out, &about) == 0 && !S_ISREG(about.st_mode);
  if (in_place)
    snprintf(part, sizeof part, "%.4000s", s->o->out);
  else
    snprintf(part, sizeof part, "%.4000s.%d.part", s->o->out, (int)getpid());
  if ((file = fopen(part, "wb")) == 0) return complain(RUN_FAILED, s->o->out, strerror(errno));
  code = written(s, make, file);
  if (fclose(file) != 0 || (!in_place && rename(part, s->o->out) != 0))
    code = complain(RUN_FAILED, s->o->out, strerror(errno));
  if (code == RUN_FAILED && !in_place) unlink(part);
  return code;
}

int main(int argc, char **argv) {
  static session s;
  options o;
  if (!options_read(&o, argc, argv)) return USAGE_ERROR;
  s.o = &o;
  s.native = edgekit_native();
  find_program(&s);
  board_at(o.sys_root);
  if (strcmp(o.command, "run") == 0) return run(&s);
  if (strcmp(o.command, "fresh") == 0) return fresh(&s);
  for (size_t i = 0; i < sizeof DOCUMENTS / sizeof *DOCUMENTS; ++i)
    if (strcmp(o.command, DOCUMENTS[i].name) == 0) return to_file(&s, DOCUMENTS[i].make);
  return complain(USAGE_ERROR, o.command, "is no command: info, run, selftest or bench");
}
