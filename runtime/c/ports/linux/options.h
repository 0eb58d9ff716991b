/* The words of the command line. */
#ifndef EK_OPTIONS_H
#define EK_OPTIONS_H

#include "timing.h"

typedef struct {
  const char *command;
  const char *paths[2];
  int path_count;
  const char *out, *samples, *sys_root, *runtime;
  timing_plan plan;
  double max_start_c, max_wait_s;
  int emulated;
} options;

/* 1, or 0 after a line on standard error. */
int options_read(options *o, int argc, char **argv);

#endif
