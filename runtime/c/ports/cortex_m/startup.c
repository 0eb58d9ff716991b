/* A Cortex-M without an operating system: its vectors, the way to main(), and faults that end the program.

   A fault ends it with FAULT + the number of the exception (HardFault is 3), a stack overflow with FAULT, after a line
   on the debugger's console: where it happened and which address was touched, ffffffff for what is not known. */
#include "semihosting.h"

enum { FAULT = 50 };
enum { STACKING_FAILED = 1 << 4 | 1 << 12, STACK_LIMIT = 1 << 20, ADDRESS_KNOWN = 1 << 7 | 1 << 15 }; /* of CFSR */

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CCR REGISTER(0xE000ED14)
#define SHCSR REGISTER(0xE000ED24)
#define CFSR REGISTER(0xE000ED28)
#define BFAR REGISTER(0xE000ED38)

/* link.ld */
extern uint32_t _data_start[], _data_end[], _bss_start[], _bss_end[], _stack_bottom[], _stack_top[];
extern const uint32_t _data_source[];

int main(int argc, char **argv);
void ek_reset(void);
void ek_any_fault(void);
void __attribute__((noreturn)) ek_start(void);
void __attribute__((noreturn)) ek_fault(uint32_t exception, const uint32_t *frame);

static const struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    _stack_top,
    {ek_reset, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault,
     ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault, ek_any_fault},
};

/* The FPU and MVE must be on before the first function that the compiler wrote. */
void __attribute__((naked)) ek_reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  __asm__ volatile(
      "ldr r0, =0xE000ED88\n" /* CPACR: full access to CP10 and CP11 */
      "ldr r1, [r0]\n"
      "orr r1, r1, #0xF00000\n"
      "str r1, [r0]\n"
      "dsb\n"
      "isb\n");
#endif
#if __ARM_ARCH >= 8
  __asm__ volatile(
      "ldr r0, =_stack_bottom\n"
      "msr msplim, r0\n");
#endif
  __asm__ volatile("bl ek_start\n");
}

static void prepare_faults(void) {
#if __ARM_ARCH >= 7
  SHCSR |= 7u << 16; /* MemManage, BusFault and UsageFault with their own names */
#else
  CCR |= 1u << 3; /* an ARMv6-M refuses unaligned access; the ARMv7-M that stands for it under QEMU must be told */
#endif
}

/* Without the barrier the compiler calls memcpy() and memset(), which are larger than all of this file. */
static inline void plain_loop(void) { __asm__ volatile(""); }

void ek_start(void) {
  const uint32_t *from = _data_source;
  uint32_t *to;
  for (to = _data_start; to < _data_end; ++to, plain_loop()) *to = *from++;
  for (to = _bss_start; to < _bss_end; ++to, plain_loop()) *to = 0;
  prepare_faults();
  ek_exit((uint32_t)main(0, 0));
}

/* The stack may be what is broken: the handler gets all of it. */
void __attribute__((naked)) ek_any_fault(void) {
  __asm__ volatile(
      "mrs r0, ipsr\n"
      "mov r1, sp\n"
      "ldr r2, =_stack_top\n"
      "msr msp, r2\n"
      "bl ek_fault\n");
}

static void print_hex(uint32_t value) {
  char text[12] = " 0x";
  int i;
  for (i = 0; i < 8; ++i) text[3 + i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15u];
  text[11] = 0;
  ek_semihosting(EK_SYS_WRITE0, text);
}

/* frame: r0-r3, r12, lr, pc, xpsr */
void ek_fault(uint32_t exception, const uint32_t *frame) {
  const int outside = frame < _stack_bottom || (uintptr_t)frame + 32 > (uintptr_t)_stack_top;
  uint32_t status = 0, address = UINT32_MAX;
#if __ARM_ARCH >= 7
  status = CFSR;
  if (status & ADDRESS_KNOWN) address = BFAR;
#endif
  ek_semihosting(EK_SYS_WRITE0, "\nedgekit: fault");
  print_hex(outside ? UINT32_MAX : frame[6]);
  print_hex(address);
  ek_semihosting(EK_SYS_WRITE0, "\n");
  ek_exit(outside || (status & (STACKING_FAILED | STACK_LIMIT)) ? FAULT : FAULT + exception);
}
