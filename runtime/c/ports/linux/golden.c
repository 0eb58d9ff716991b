#define _GNU_SOURCE
#include "golden.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sha256.h"

enum { HEAD = 80 };

static size_t app_bytes(const ek_value *value) {
  return edgekit_is_real(value) ? (size_t)edgekit_count(value) * sizeof(float) : (size_t)value->bytes;
}

static size_t largest_output(const ek_model *model) {
  size_t largest = 1;
  for (int32_t i = 0; i < model->output_count; ++i)
    if (app_bytes(&model->outputs[i]) > largest) largest = app_bytes(&model->outputs[i]);
  return largest;
}

static size_t sample_bytes(const ek_model *model) {
  size_t bytes = 0;
  for (int32_t i = 0; i < model->input_count; ++i) bytes += (size_t)model->inputs[i].bytes;
  for (int32_t i = 0; i < model->output_count; ++i) bytes += app_bytes(&model->outputs[i]);
  return bytes;
}

static const char *read_head(golden *g, const uint8_t *file, size_t size) {
  if (size < HEAD || memcmp(file, "EKGOLD1", 8) != 0) return "no golden data of this edgekit";
  memcpy(&g->count, file + 8, sizeof g->count);
  memcpy(g->input_sha256, file + 16, 64);
  g->input_sha256[64] = 0;
  g->samples = file + HEAD;
  g->app = malloc(largest_output(g->native->model));
  if (g->app == 0) return "out of memory";
  g->sample_bytes = sample_bytes(g->native->model);
  if (g->count == 0 || (uint64_t)(size - HEAD) != (uint64_t)g->count * g->sample_bytes) return "golden data of another model";
  return 0;
}

const char *golden_open(golden *g, const ek_native *native, const char *path) {
  struct stat about;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  void *bytes;
  g->native = native;
  if (native->model->output_count > OUTPUTS) return "the model has too many outputs";
  if (file < 0 || fstat(file, &about) != 0) return "cannot be read";
  bytes = about.st_size > 0 ? mmap(0, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  close(file);
  if (bytes == MAP_FAILED) return "cannot be read";
  return read_head(g, bytes, (size_t)about.st_size);
}

void golden_input(const golden *g, uint32_t index, uint8_t *arena) {
  const ek_model *model = g->native->model;
  const uint8_t *from = g->samples + index * g->sample_bytes;
  for (int32_t i = 0; i < model->input_count; from += model->inputs[i++].bytes)
    memcpy(arena + model->inputs[i].offset, from, (size_t)model->inputs[i].bytes);
}

/* --- comparison */

/* Positions where both hold the same infinity, or both no number, are equal; one that cannot be compared is infinitely
   far away. */
static double apart(double got, double wanted) {
  double error;
  if (got == wanted || (isnan(got) && isnan(wanted))) return 0.0;
  error = fabs(got - wanted);
  return isnan(error) ? (double)INFINITY : error;
}

static double number_at(const ek_value *value, const uint8_t *app, int32_t i) {
  const int32_t size = value->bytes / edgekit_count(value);
  float real;
  int64_t integer = 0;
  if (edgekit_is_real(value)) return memcpy(&real, app + (size_t)i * sizeof real, sizeof real), (double)real;
  memcpy(&integer, app + i * size, (size_t)size);
  if (value->dtype == EK_S8) return (double)(int8_t)integer;
  if (value->dtype == EK_S16) return (double)(int16_t)integer;
  if (value->dtype == EK_S32) return (double)(int32_t)integer;
  return (double)integer;
}

static void compare(const ek_value *value, const uint8_t *got, const uint8_t *wanted, double *error, int *finite) {
  const int32_t count = edgekit_count(value);
  for (int32_t i = 0; i < count; ++i) {
    const double number = number_at(value, got, i);
    if (!isfinite(number)) *finite = 0;
    *error = fmax(*error, apart(number, number_at(value, wanted, i)));
  }
}

static void compare_sample(const golden *g, uint32_t index, const uint8_t *arena, verdict *v, sha256 *digest) {
  const ek_model *model = g->native->model;
  const uint8_t *wanted = g->samples + index * g->sample_bytes;
  for (int32_t i = 0; i < model->input_count; ++i) wanted += model->inputs[i].bytes;
  for (int32_t i = 0; i < model->output_count; ++i) {
    const ek_value *value = &model->outputs[i];
    edgekit_read(value, &g->native->outputs[i], arena + value->offset, g->app);
    sha256_add(digest, g->app, app_bytes(value));
    compare(value, g->app, wanted, &v->outputs[i].error, &v->outputs[i].finite);
    wanted += app_bytes(value);
  }
}

/* The worst output is one that is wrong, and of those the one furthest out of its tolerance. */
static void judge(const golden *g, verdict *v) {
  double worst = -1.0;
  v->ok = 1;
  for (int32_t i = 0; i < g->native->model->output_count; ++i) {
    const double error = v->outputs[i].error, tolerance = g->native->outputs[i].tolerance;
    double rank = error / (tolerance > 0 ? tolerance : 1.0);
    v->outputs[i].ok = v->outputs[i].finite && (tolerance < 0 || error <= tolerance);
    if (!v->outputs[i].ok) rank += 1e300;
    v->ok = v->ok && v->outputs[i].ok;
    if (rank <= worst) continue;
    worst = rank;
    v->max_abs_error = error;
    v->tolerance = tolerance;
  }
}

ek_status golden_check(const golden *g, uint8_t *arena, verdict *v) {
  sha256 digest;
  memset(v, 0, sizeof *v);
  for (int32_t i = 0; i < OUTPUTS; ++i) v->outputs[i].finite = 1;
  sha256_begin(&digest);
  for (uint32_t k = 0; k < g->count; ++k) {
    golden_input(g, k, arena);
    const ek_status status = g->native->model->invoke(arena);
    if (status != EK_OK) return status;
    compare_sample(g, k, arena, v, &digest);
  }
  sha256_end(&digest, v->output_sha256);
  judge(g, v);
  return EK_OK;
}

/* --- for people and programs */

static void json_tolerance(json *j, double tolerance) {
  if (tolerance < 0)
    json_null(j, "tolerance");
  else
    json_number(j, "tolerance", tolerance);
}

void json_verdict(json *j, const golden *g, const verdict *v) {
  const ek_native *native = g->native;
  json_bool(j, "ok", v->ok);
  json_int(j, "samples", g->count);
  json_open(j, "outputs", '[');
  for (int32_t i = 0; i < native->model->output_count; ++i) {
    json_open(j, 0, '{');
    json_text(j, "name", native->model->outputs[i].name);
    json_number(j, "max_abs_error", v->outputs[i].error);
    json_tolerance(j, native->outputs[i].tolerance);
    json_bool(j, "finite", v->outputs[i].finite);
    json_bool(j, "ok", v->outputs[i].ok);
    json_close(j, '}');
  }
  json_close(j, ']');
  json_number(j, "max_abs_error", v->max_abs_error);
  json_tolerance(j, v->tolerance);
  json_text(j, "output_sha256", v->output_sha256);
}

void mismatch(const golden *g, const verdict *v, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "outputs differ from the golden ones:");
  for (int32_t i = 0; i < g->native->model->output_count && used < size; ++i) {
    const char *name = g->native->model->outputs[i].name;
    if (v->outputs[i].ok) continue;
    if (v->outputs[i].finite)
      used += (size_t)snprintf(text + used, size - used, " %.40s by %.6g, tolerance %.6g;", name, v->outputs[i].error,
                               g->native->outputs[i].tolerance);
    else
      used += (size_t)snprintf(text + used, size - used, " %.40s is not finite;", name);
  }
  if (used < size && text[used - 1] == ';') text[used - 1] = 0;
}
