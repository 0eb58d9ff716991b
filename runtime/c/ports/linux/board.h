/* /proc, /sys and vcgencmd of a Linux board: what it is, and in which state it is right now. Unknown is -1 or "". */
#ifndef EK_BOARD_H
#define EK_BOARD_H

#include <stdint.h>

#include "json.h"

enum { BOARD_TEXT = 256, BOARD_CPUS = 64, UNKNOWN_C = -1000000 };

typedef struct {
  int64_t frequency_hz;
  char governor[32];
  int32_t temperature_mc; /* thousandths of a degree Celsius, or UNKNOWN_C */
  int64_t throttled_bits, cooling_state;
  double load_1m; /* -1: unknown */
  int64_t free_bytes, swap_used_bytes;
} conditions;

/* Read below `root` ("/" but in tests) from now on; the CPUs are those that this process may use. */
void board_at(const char *root);
int32_t board_cpu_count(void);
int64_t board_max_frequency_hz(void);
int32_t board_temperature_mc(void);
void board_boot_id(char text[BOARD_TEXT]);
int64_t peak_rss_bytes(void);

void conditions_now(conditions *c);
void json_conditions(json *j, const char *name, const conditions *c);
void json_board(json *j, const char *name);

#endif
