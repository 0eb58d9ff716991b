/* A PC or a Linux board: bench INPUTS OUTPUTS. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

enum { BAD_ARGUMENTS = 2, CANNOT_READ = 42, CANNOT_WRITE = 43 };

static FILE *source, *result;
static uint8_t *memory;

int port_open(int argc, char **argv) {
  if (argc != 3) return BAD_ARGUMENTS;
  source = fopen(argv[1], "rb");
  if (source == 0) return CANNOT_READ;
  result = fopen(argv[2], "wb");
  return result == 0 ? CANNOT_WRITE : 0;
}

int port_read(void *bytes, int32_t count) {
  return fread(bytes, 1, (size_t)count, source) == (size_t)count ? 0 : CANNOT_READ;
}

int port_write(const void *bytes, int32_t count) {
  return fwrite(bytes, 1, (size_t)count, result) == (size_t)count ? 0 : CANNOT_WRITE;
}

int port_close(void) {
  free(memory);
  return fclose(result) == 0 ? 0 : CANNOT_WRITE;
}

/* Exactly as much as asked for, so that a sanitizer sees what is written behind it. */
uint8_t *port_arena(int32_t bytes) {
  free(memory);
  memory = malloc((size_t)bytes);
  return memory;
}

uint64_t port_instructions(void) { return 0; }
void port_paint_stack(void) {}
uint32_t port_stack_bytes(void) { return 0; }
