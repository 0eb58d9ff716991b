/* A Cortex-M under QEMU: reads the file "inputs", writes "outputs", both in the folder that QEMU runs in. */
#include "port.h"
#include "semihosting.h"

enum { CANNOT_READ = 42, CANNOT_WRITE = 43, STACK_TOUCHED = 50 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

static uintptr_t source, result;

/* link.ld */
extern uint8_t _arena_start[], _arena_end[], _code_start[], _code_end[];
extern uint32_t _stack_bottom[];

static int open_file(uintptr_t *file, const char *name, uintptr_t length, uintptr_t mode) {
  const uintptr_t arguments[3] = {(uintptr_t)name, mode, length};
  *file = ek_semihosting(EK_SYS_OPEN, arguments);
  return *file != UINTPTR_MAX;
}

/* The memory protection unit: flash, which under QEMU is RAM, becomes read-only, so that a write through a null pointer
   is seen; what lies below the stack becomes inaccessible on cores whose stack has no limit of its own (startup.c). */
enum { MPU_CONTROL = 1, MPU_NUMBER, MPU_BASE, MPU_LIMIT_OR_SIZE };
enum { ENABLE = 1, DEFAULT_ELSEWHERE = 4 };
static volatile uint32_t *const mpu = (volatile uint32_t *)0xE000ED90;

static void protect(uint32_t number, uint32_t start, uint32_t limit_or_size) {
  mpu[MPU_NUMBER] = number;
  mpu[MPU_BASE] = start;
  mpu[MPU_LIMIT_OR_SIZE] = limit_or_size;
}

static void protect_memory(void) {
#if __ARM_ARCH >= 8
  enum { READ_ONLY = 2 << 1 };
  uint32_t code = (uint32_t)_code_start;
  const uint32_t last = (uint32_t)_code_end - 32;
  __asm__("" : "+r"(code)); /* the compiler thinks that nothing has address 0 */
  protect(0, code | READ_ONLY, last | ENABLE);
  if (code != 0) protect(1, READ_ONLY, (last - code) | ENABLE); /* the same memory for the world that is not secure */
#else
  enum { READ_ONLY = 6 << 24, NO_EXECUTION = 1 << 28, SIZE_64_KIB = 15 << 1 };
  uint32_t size = 4; /* 2^(size + 1) bytes: the power of two above the code */
  while ((2u << size) < (uint32_t)(_code_end - _code_start)) ++size;
  protect(0, (uint32_t)_code_start, READ_ONLY | size << 1 | ENABLE);
  protect(1, (uint32_t)_stack_bottom - (1 << 16), NO_EXECUTION | SIZE_64_KIB | ENABLE);
#endif
  mpu[MPU_CONTROL] = ENABLE | DEFAULT_ELSEWHERE;
  __asm__ volatile("dsb\n isb" ::: "memory");
}

int port_open(int argc, char **argv) {
  (void)argc, (void)argv;
  protect_memory();
  if (!open_file(&source, "inputs", 6, READ_BINARY)) return CANNOT_READ;
  return open_file(&result, "outputs", 7, WRITE_BINARY) ? 0 : CANNOT_WRITE;
}

/* A call may move less than it was asked for and answers how many bytes are left. */
static int move_all(ek_semihosting_call call, uintptr_t file, uintptr_t at, uintptr_t count) {
  while (count > 0) {
    const uintptr_t arguments[3] = {file, at, count};
    const uintptr_t left = ek_semihosting(call, arguments);
    if (left >= count) return 0;
    at += count - left;
    count = left;
  }
  return 1;
}

int port_read(void *bytes, int32_t count) {
  return move_all(EK_SYS_READ, source, (uintptr_t)bytes, (uintptr_t)count) ? 0 : CANNOT_READ;
}

int port_write(const void *bytes, int32_t count) {
  return move_all(EK_SYS_WRITE, result, (uintptr_t)bytes, (uintptr_t)count) ? 0 : CANNOT_WRITE;
}

int port_close(void) {
  const uintptr_t arguments[1] = {result};
  return ek_semihosting(EK_SYS_CLOSE, arguments) == 0 ? 0 : CANNOT_WRITE;
}

uint8_t *port_arena(int32_t bytes) { return bytes <= _arena_end - _arena_start ? _arena_start : 0; }

/* SysTick, which under QEMU's -icount shift=0 ticks EK_CLOCK_HZ times in 10^9 instructions. It counts 24 bits down; what
   took longer than that is not known: it adds nothing. Each call starts it again. */
#define SYSTICK ((volatile uint32_t *)0xE000E010)
enum { SYSTICK_CONTROL, SYSTICK_RELOAD, SYSTICK_VALUE };
enum { RUN_ON_CORE_CLOCK = 5, TICKS = 0xFFFFFF, IN_FOUR_TICKS = 4000000000u / EK_CLOCK_HZ };

uint64_t port_instructions(void) {
  static uint64_t ticks;
  const uint32_t left = SYSTICK[SYSTICK_VALUE];
  if (SYSTICK[SYSTICK_CONTROL] == RUN_ON_CORE_CLOCK) ticks += TICKS - left;
  SYSTICK[SYSTICK_RELOAD] = TICKS;
  SYSTICK[SYSTICK_CONTROL] = RUN_ON_CORE_CLOCK;
  SYSTICK[SYSTICK_VALUE] = 0;
  return ticks * IN_FOUR_TICKS / 4;
}

/* Words that nobody writes by chance, from the bottom of the stack to what is in use: where that ends, this function
   may have saved some registers, which count as used. */
#define PAINT UINT32_C(0xA55A3CC3)
enum { SAVED = 16 };
static uint32_t *painted_to;

static uint32_t *stack_pointer(void) {
  uint32_t *sp;
  __asm__ volatile("mov %0, sp" : "=r"(sp));
  return sp;
}

void port_paint_stack(void) {
  volatile uint32_t *at = _stack_bottom;
  painted_to = stack_pointer();
  while (at < painted_to - SAVED) *at++ = PAINT;
}

uint32_t port_stack_bytes(void) {
  const volatile uint32_t *at = _stack_bottom;
  if (*at != PAINT) ek_exit(STACK_TOUCHED);
  while (at < painted_to && *at == PAINT) ++at;
  return (uint32_t)(painted_to - at) * 4u;
}
