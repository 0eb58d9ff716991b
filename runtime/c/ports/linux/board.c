#define _GNU_SOURCE
#include "board.h"

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <time.h>

enum { PATH = 512 };

static const char *root = "/";
static int32_t cpus[BOARD_CPUS], cpu_count;

void board_at(const char *folder) {
  cpu_set_t set;
  root = folder;
  cpu_count = 0;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && cpu_count < BOARD_CPUS; ++i)
    if (CPU_ISSET((size_t)i, &set)) cpus[cpu_count++] = i;
}

int32_t board_cpu_count(void) { return cpu_count; }

/* --- files */

static FILE *opened(const char *path) {
  char full[PATH];
  snprintf(full, sizeof full, "%s/%s", root, path);
  return fopen(full, "rb");
}

/* The first line of a file without what surrounds it. Returns whether there is one. */
static int text_of(const char *path, char text[BOARD_TEXT]) {
  FILE *file = opened(path);
  size_t n = 0;
  text[0] = 0;
  if (file == 0) return 0;
  n = fread(text, 1, BOARD_TEXT - 1, file);
  fclose(file);
  while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ' || text[n - 1] == 0)) --n;
  text[n] = 0;
  return n > 0;
}

static int64_t number_of(const char *path, int64_t unknown) {
  char text[BOARD_TEXT], *end;
  long long number;
  if (!text_of(path, text)) return unknown;
  number = strtoll(text, &end, 10);
  return *end == 0 ? number : unknown;
}

/* The number behind "NAME:" in a file such as /proc/meminfo, in bytes where it is in kB; -1 where it is not there. */
static int64_t field_of(FILE *file, const char *name) {
  char line[BOARD_TEXT];
  const size_t length = strlen(name);
  int64_t found = -1;
  if (file == 0) return -1;
  rewind(file);
  while (found < 0 && fgets(line, sizeof line, file))
    if (strncmp(line, name, length) == 0 && line[length] == ':') found = strtoll(line + length + 1, 0, 10) * 1024;
  return found;
}

int64_t peak_rss_bytes(void) {
  FILE *file = fopen("/proc/self/status", "rb");
  const int64_t found = field_of(file, "VmHWM");
  if (file) fclose(file);
  return found;
}

/* The largest number that `read` gives for the folders of `parent` whose names begin with `prefix`. */
static int64_t largest(const char *parent, const char *prefix, int64_t unknown, int64_t (*read)(const char *, int64_t)) {
  char path[PATH];
  int64_t found = unknown;
  struct dirent *entry;
  DIR *folder;
  snprintf(path, sizeof path, "%s/%s", root, parent);
  folder = opendir(path);
  while (folder && (entry = readdir(folder)) != 0) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    snprintf(path, sizeof path, "%s/%.100s", parent, entry->d_name);
    const int64_t number = read(path, unknown);
    if (number > found) found = number;
  }
  if (folder) closedir(folder);
  return found;
}

/* --- CPUs, temperature */

static int64_t frequency_hz(const char *name) {
  int64_t found = -1;
  for (int32_t i = 0; i < cpu_count; ++i) {
    char path[PATH];
    snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/%s", (int)cpus[i], name);
    const int64_t khz = number_of(path, -1);
    if (khz > found) found = khz;
  }
  return found < 0 ? -1 : found * 1000;
}

int64_t board_max_frequency_hz(void) { return frequency_hz("cpuinfo_max_freq"); }

static int64_t zone_mc(const char *path, int64_t unknown) {
  char file[PATH];
  snprintf(file, sizeof file, "%s/temp", path);
  return number_of(file, unknown);
}

/* A cooling device that slows a CPU down; a fan does not. */
static int64_t cooling_of(const char *path, int64_t unknown) {
  char file[PATH], kind[BOARD_TEXT];
  snprintf(file, sizeof file, "%s/type", path);
  if (!text_of(file, kind) || !(strcasestr(kind, "cpu") || strcasestr(kind, "processor"))) return unknown;
  snprintf(file, sizeof file, "%s/cur_state", path);
  return number_of(file, unknown);
}

int32_t board_temperature_mc(void) {
  return (int32_t)largest("sys/class/thermal", "thermal_zone", UNKNOWN_C, zone_mc);
}

/* What `vcgencmd WORD` (Raspberry Pi) answers, on one line. */
static int vcgencmd(const char *word, char text[BOARD_TEXT]) {
  char command[BOARD_TEXT];
  size_t n;
  FILE *answer;
  snprintf(command, sizeof command, "timeout 5 vcgencmd %s 2>/dev/null", word);
  text[0] = 0;
  answer = popen(command, "r");
  if (answer == 0) return 0;
  n = fread(text, 1, BOARD_TEXT - 1, answer);
  text[n] = 0;
  if (pclose(answer) != 0) return text[0] = 0, 0;
  for (char *c = text; *c; ++c)
    if (*c == '\n' || *c == '\t' || *c == '\r') *c = ' ';
  while (n > 0 && text[n - 1] == ' ') text[--n] = 0;
  return n > 0;
}

static int64_t throttled_bits(void) {
  char answer[BOARD_TEXT];
  const char *word = vcgencmd("get_throttled", answer) ? strstr(answer, "throttled=0x") : 0;
  return word ? (int64_t)strtoll(word + strlen("throttled="), 0, 16) : -1;
}

void board_boot_id(char text[BOARD_TEXT]) { text_of("proc/sys/kernel/random/boot_id", text); }

/* --- conditions */

static void memory_now(conditions *c) {
  FILE *file = opened("proc/meminfo");
  const int64_t total = field_of(file, "SwapTotal"), unused = field_of(file, "SwapFree");
  c->free_bytes = field_of(file, "MemAvailable");
  c->swap_used_bytes = total < 0 || unused < 0 ? -1 : total - unused;
  if (file) fclose(file);
}

void conditions_now(conditions *c) {
  char text[BOARD_TEXT], path[PATH];
  snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu_count ? (int)cpus[0] : 0);
  text_of(path, text);
  snprintf(c->governor, sizeof c->governor, "%.31s", text);
  c->frequency_hz = frequency_hz("scaling_cur_freq");
  c->temperature_mc = board_temperature_mc();
  c->throttled_bits = throttled_bits();
  c->cooling_state = largest("sys/class/thermal", "cooling_device", -1, cooling_of);
  c->load_1m = text_of("proc/loadavg", text) ? strtod(text, 0) : -1.0;
  memory_now(c);
}

void json_conditions(json *j, const char *name, const conditions *c) {
  json_open(j, name, '{');
  json_known(j, "frequency_hz", c->frequency_hz);
  json_text(j, "governor", c->governor);
  if (c->temperature_mc == UNKNOWN_C)
    json_null(j, "temperature_c");
  else
    json_number(j, "temperature_c", c->temperature_mc / 1000.0);
  json_known(j, "throttled_bits", c->throttled_bits);
  json_known(j, "cooling_state", c->cooling_state);
  if (c->load_1m < 0)
    json_null(j, "load_1m");
  else
    json_number(j, "load_1m", c->load_1m);
  json_known(j, "free_bytes", c->free_bytes);
  json_known(j, "swap_used_bytes", c->swap_used_bytes);
  json_close(j, '}');
}

/* --- what it is */

static const struct {
  const char *part, *name;
} PARTS[] = {
  {"0xb76", "ARM1176"},    {"0xc07", "Cortex-A7"},  {"0xc08", "Cortex-A8"},  {"0xc09", "Cortex-A9"},
  {"0xc0f", "Cortex-A15"}, {"0xd03", "Cortex-A53"}, {"0xd04", "Cortex-A35"}, {"0xd05", "Cortex-A55"},
  {"0xd07", "Cortex-A57"}, {"0xd08", "Cortex-A72"}, {"0xd09", "Cortex-A73"}, {"0xd0a", "Cortex-A75"},
  {"0xd0b", "Cortex-A76"}, {"0xd42", "Cortex-A78AE"},
};

/* The value of a line "KEY\t: VALUE" of /proc/cpuinfo, or 0. */
static char *value_in(char *line, const char *key) {
  char *at = line + strlen(key);
  if (strncmp(line, key, strlen(key)) != 0) return 0;
  at += strspn(at, " \t");
  if (*at++ != ':') return 0;
  at += strspn(at, " \t");
  at[strcspn(at, "\n")] = 0;
  return *at ? at : 0;
}

static void add_part(char text[BOARD_TEXT], const char *part) {
  char name[40];
  const size_t used = strlen(text);
  snprintf(name, sizeof name, "Arm part %.20s", part);
  for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; ++i)
    if (strcmp(PARTS[i].part, part) == 0) snprintf(name, sizeof name, "%s", PARTS[i].name);
  if (strstr(text, name) == 0) snprintf(text + used, BOARD_TEXT - used, "%s%s", used ? " + " : "", name);
}

static void cpu_name(char text[BOARD_TEXT]) {
  char line[BOARD_TEXT];
  const char *found = 0;
  FILE *file = opened("proc/cpuinfo");
  text[0] = 0;
  while (file && !found && fgets(line, sizeof line, file)) {
    const char *part = value_in(line, "CPU part");
    found = value_in(line, "model name");
    if (part && strncmp(part, "0x", 2) == 0) add_part(text, part);
  }
  if (found) snprintf(text, BOARD_TEXT, "%s", found);
  if (file) fclose(file);
}

static void model_name(char text[BOARD_TEXT]) {
  if (text_of("proc/device-tree/model", text) || text_of("sys/firmware/devicetree/base/model", text)) return;
  text_of("sys/class/dmi/id/product_name", text);
}

static void json_clock(json *j) {
  char text[BOARD_TEXT], source[BOARD_TEXT];
  const int known = text_of("sys/devices/system/clocksource/clocksource0/current_clocksource", source);
  snprintf(text, sizeof text, "clock_gettime(CLOCK_MONOTONIC)%s%.100s", known ? ", " : "", source);
  json_text(j, "clock", text);
}

void json_board(json *j, const char *name) {
  char text[BOARD_TEXT];
  struct utsname system;
  const int named = uname(&system) == 0;
  json_open(j, name, '{');
  model_name(text);
  json_text(j, "model", text);
  json_text(j, "kernel", named ? system.release : "");
  cpu_name(text);
  json_text(j, "cpu", text);
  json_null(j, "python");
  json_clock(j);
  json_int(j, "threads", 1);
  json_open(j, "cpus", '[');
  for (int32_t i = 0; i < cpu_count; ++i) json_int(j, 0, cpus[i]);
  json_close(j, ']');
  json_text(j, "machine", named ? system.machine : "");
  vcgencmd("version", text);
  json_text(j, "firmware", text);
  json_known(j, "max_frequency_hz", board_max_frequency_hz());
  json_close(j, '}');
}
