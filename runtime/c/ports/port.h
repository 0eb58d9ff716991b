/* What the test bench (bench.c) asks of the place it runs in: a PC, a Linux board, a microcontroller under QEMU. */
#ifndef EK_PORT_H
#define EK_PORT_H

#include "edgekit.h"

/* The models that were linked in; written by edgekit beside them. */
extern const ek_model *const ek_models[];
extern const int32_t ek_model_count;

/* Opens the files of inputs and outputs. 0, or an exit code. */
int port_open(int argc, char **argv);
/* 0, or an exit code where a file ends early or cannot be written. */
int port_read(void *bytes, int32_t count);
int port_write(const void *bytes, int32_t count);
int port_close(void);

/* Memory for a model, at a multiple of 8; 0 where there is not so much. The next call may give the same again. */
uint8_t *port_arena(int32_t bytes);

/* Instructions executed since the start where they can be counted, else 0. */
uint64_t port_instructions(void);

/* Most bytes of stack that were used below its caller since port_paint_stack(); 0 where that is not known. */
void port_paint_stack(void);
uint32_t port_stack_bytes(void);

#endif
