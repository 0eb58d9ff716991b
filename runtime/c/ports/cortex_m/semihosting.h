/* Semihosting of Arm: what a debugger or QEMU does for a program that stops at a breakpoint. */
#ifndef EK_SEMIHOSTING_H
#define EK_SEMIHOSTING_H

#include <stdint.h>

typedef enum { EK_SYS_OPEN = 0x01, EK_SYS_CLOSE = 0x02, EK_SYS_WRITE0 = 0x04, EK_SYS_WRITE = 0x05,
               EK_SYS_READ = 0x06, EK_SYS_EXIT_EXTENDED = 0x20 } ek_semihosting_call;

/* Arguments are an array of words, or the address of a text for EK_SYS_WRITE0. */
static inline uintptr_t ek_semihosting(ek_semihosting_call call, const void *arguments) {
  register uintptr_t answer __asm__("r0") = (uintptr_t)call;
  register const void *block __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xab" : "+r"(answer) : "r"(block) : "memory");
  return answer;
}

static inline void __attribute__((noreturn)) ek_exit(uint32_t code) {
  const uintptr_t arguments[2] = {0x20026, code}; /* ADP_Stopped_ApplicationExit */
  for (;;) ek_semihosting(EK_SYS_EXIT_EXTENDED, arguments);
}

#endif
