/* A plugin of QEMU's user mode: how many instructions a program executes from its first one to its end. QEMU ships no
   header for plugins everywhere: what is needed of it is declared here.

   INTERFACE: version of QEMU's interface for plugins, 1 or 2.
   Argument: out=FILE, which gets "INSTRUCTIONS THREADS" when the program ends. The counter is not atomic: with more
   threads than one the figure is no count. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))
struct qemu_plugin_tb;
extern void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*)(uint64_t id, unsigned cpu));
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int add, void *counter, uint64_t value)
    __attribute__((weak)); /* faster; gone in version 2 of the interface, that of QEMU 9 */
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned cpu, void *), int flags,
                                                 void *);
extern void qemu_plugin_register_atexit_cb(uint64_t id, void (*)(uint64_t id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

EXPORTED int qemu_plugin_version = INTERFACE;

static uint64_t executed;
static unsigned threads;
static char out[1024];

static void thread_began(uint64_t id, unsigned cpu) {
  (void)id, (void)cpu;
  ++threads;
}

static void block_runs(unsigned cpu, void *instructions) {
  (void)cpu;
  executed += (uintptr_t)instructions;
}

static void block_made(uint64_t id, struct qemu_plugin_tb *block) {
  const size_t instructions = qemu_plugin_tb_n_insns(block);
  (void)id;
  if (qemu_plugin_register_vcpu_tb_exec_inline)
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &executed, instructions);
  else
    qemu_plugin_register_vcpu_tb_exec_cb(block, block_runs, 0, (void *)instructions);
}

static void ended(uint64_t id, void *nothing) {
  FILE *file = fopen(out, "w");
  (void)id, (void)nothing;
  if (file == 0) return;
  fprintf(file, "%llu %u\n", (unsigned long long)executed, threads);
  fclose(file);
}

EXPORTED int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments) {
  (void)about;
  if (count != 1 || strncmp(arguments[0], "out=", 4) != 0) return 1;
  snprintf(out, sizeof out, "%s", arguments[0] + 4);
  qemu_plugin_register_vcpu_init_cb(id, thread_began);
  qemu_plugin_register_vcpu_tb_trans_cb(id, block_made);
  qemu_plugin_register_atexit_cb(id, ended, 0);
  return 0;
}
