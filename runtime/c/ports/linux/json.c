#include "json.h"

#include <math.h>
#include <stdlib.h>

static void quoted(json *j, const char *text) {
  fputc('"', j->file);
  for (; *text; ++text) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') fputc('\\', j->file);
    if (c < 0x20 || c == 0x7f)
      fprintf(j->file, "\\u%04x", c);
    else
      fputc(c, j->file);
  }
  fputc('"', j->file);
}

static void begin(json *j, const char *name) {
  if (!j->first) fputs(", ", j->file);
  j->first = 0;
  if (name == 0) return;
  quoted(j, name);
  fputs(": ", j->file);
}

void json_open(json *j, const char *name, char bracket) {
  begin(j, name);
  fputc(bracket, j->file);
  j->first = 1;
}

void json_close(json *j, char bracket) {
  fputc(bracket, j->file);
  j->first = 0;
}

void json_null(json *j, const char *name) {
  begin(j, name);
  fputs("null", j->file);
}

void json_bool(json *j, const char *name, int value) {
  begin(j, name);
  fputs(value ? "true" : "false", j->file);
}

void json_int(json *j, const char *name, int64_t value) {
  begin(j, name);
  fprintf(j->file, "%lld", (long long)value);
}

void json_known(json *j, const char *name, int64_t value) {
  if (value < 0)
    json_null(j, name);
  else
    json_int(j, name, value);
}

/* As few as read back as the same number. */
static int digits(double value) {
  char text[40];
  int count = 14;
  do
    snprintf(text, sizeof text, "%.*g", ++count, value);
  while (count < 17 && strtod(text, 0) != value);
  return count;
}

void json_number(json *j, const char *name, double value) {
  if (!isfinite(value)) {
    json_null(j, name);
    return;
  }
  begin(j, name);
  fprintf(j->file, "%.*g", digits(value), value);
}

void json_seconds(json *j, const char *name, uint64_t ns) {
  const uint64_t second = 1000000000u;
  begin(j, name);
  fprintf(j->file, "%llu.%09llu", (unsigned long long)(ns / second), (unsigned long long)(ns % second));
}

void json_text(json *j, const char *name, const char *text) {
  if (text == 0 || *text == 0)
    json_null(j, name);
  else
    json_string(j, name, text);
}

void json_string(json *j, const char *name, const char *text) {
  begin(j, name);
  quoted(j, text);
}
