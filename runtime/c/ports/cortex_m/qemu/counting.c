/* A plugin of QEMU: how often each block of instructions ran between the calls of a function, its first and second, its
   third and fourth, and so on; cut into steps where another function, which calls one thing after the other, gets
   control back. QEMU ships no header for plugins everywhere: what is needed of it is declared here.

   INTERFACE: version of QEMU's interface for plugins, 1 or 2.
   Arguments: marker=ADDRESS of the first function, steps=FIRST-END addresses of the second, out=FILE. The file gets, for
   each pair of calls, a line "inference", and for each step a line "step" and then lines of "ADDRESS INSTRUCTIONS TIMES",
   addresses in hexadecimal. The first step is what ran before the second function. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))
struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int add, void *counter, uint64_t value)
    __attribute__((weak)); /* gone in version 2 of the interface, that of QEMU 9 */
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned cpu, void *), int flags,
                                                 void *);
extern void qemu_plugin_register_atexit_cb(uint64_t id, void (*)(uint64_t id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);

EXPORTED int qemu_plugin_version = INTERFACE;

typedef struct block {
  uint64_t address, times, told; /* told: how many of the times are in the file already */
  size_t instructions;
  struct block *next;
} block;

enum { CHAINS = 4096 };
static block *chains[CHAINS];
static uint64_t marker, first, end;
static FILE *out;
static int counting;

/* QEMU may translate the same code again: its counter goes on. */
static block *block_at(uint64_t address, size_t instructions) {
  block **chain = &chains[(address >> 1) % CHAINS], *found = *chain;
  while (found != 0 && (found->address != address || found->instructions != instructions)) found = found->next;
  if (found == 0) {
    found = calloc(1, sizeof *found);
    if (found == 0) abort();
    found->address = address;
    found->instructions = instructions;
    found->next = *chain;
    *chain = found;
  }
  return found;
}

static int within(const block *b) { return b->address >= first && b->address < end; }

/* Calls `each` for the blocks that ran since the step before. */
static void for_news(void (*each)(block *)) {
  int i;
  block *b;
  for (i = 0; i < CHAINS; ++i)
    for (b = chains[i]; b != 0; b = b->next)
      if (b->times != b->told) each(b);
}

static void forget(block *b) { b->told = b->times; }

static void tell(block *b) {
  fprintf(out, "%llx %zu %llu\n", (unsigned long long)b->address, b->instructions,
          (unsigned long long)(b->times - b->told));
  b->told = b->times;
}

static int outside;
static void look_outside(block *b) { outside |= !within(b); }

static void tell_step(void) {
  fputs("step\n", out);
  for_news(tell);
}

static void on_marker(unsigned cpu, void *nothing) {
  (void)cpu, (void)nothing;
  counting = !counting;
  if (!counting) {
    tell_step();
    return;
  }
  fputs("inference\n", out);
  for_news(forget);
}

static void on_caller(unsigned cpu, void *nothing) {
  (void)cpu, (void)nothing;
  outside = 0;
  if (counting) for_news(look_outside);
  if (outside) tell_step();
}

static void on_block(unsigned cpu, void *executed) {
  (void)cpu;
  ++((block *)executed)->times;
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *tb) {
  const uint64_t address = qemu_plugin_tb_vaddr(tb);
  block *b = block_at(address, qemu_plugin_tb_n_insns(tb));
  (void)id;
  if (qemu_plugin_register_vcpu_tb_exec_inline != 0) qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &b->times, 1);
  else qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0, b);
  if (address == marker) qemu_plugin_register_vcpu_tb_exec_cb(tb, on_marker, 0, 0);
  if (within(b)) qemu_plugin_register_vcpu_tb_exec_cb(tb, on_caller, 0, 0);
}

static void on_end(uint64_t id, void *nothing) {
  (void)id, (void)nothing;
  fclose(out);
}

EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
  int i;
  (void)info;
  for (i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "marker=", 7) == 0) marker = strtoull(argv[i] + 7, 0, 0);
    if (strncmp(argv[i], "steps=", 6) == 0 && sscanf(argv[i] + 6, "%" SCNx64 "-%" SCNx64, &first, &end) != 2) return 1;
    if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
  }
  if (marker == 0 || out == 0) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_atexit_cb(id, on_end, 0);
  return 0;
}
