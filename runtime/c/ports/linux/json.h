/* One JSON document, written in order. A member's name is 0 inside of a list. */
#ifndef EK_JSON_H
#define EK_JSON_H

#include <stdint.h>
#include <stdio.h>

typedef struct {
  FILE *file;
  int first; /* no comma before what comes next */
} json;

void json_open(json *j, const char *name, char bracket);
void json_close(json *j, char bracket);
void json_null(json *j, const char *name);
void json_bool(json *j, const char *name, int value);
void json_int(json *j, const char *name, int64_t value);
/* null where `value` is negative: everything here that can be unknown is not. */
void json_known(json *j, const char *name, int64_t value);
/* null where it is not finite */
void json_number(json *j, const char *name, double value);
/* nanoseconds as seconds, exactly */
void json_seconds(json *j, const char *name, uint64_t ns);
/* null where `text` is 0 or empty */
void json_text(json *j, const char *name, const char *text);
/* also where it is empty */
void json_string(json *j, const char *name, const char *text);

#endif
