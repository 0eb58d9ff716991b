/* Runs every model that was linked in on the samples of a file.

   Reads, for each model: the number of samples (uint32), then of each sample its inputs, one after the other.
   Writes, for each sample: ek_status (uint32), bytes of stack (uint32), instructions (uint64), then the outputs.
   All little endian. A model that remembers goes on from one sample to the next. */
#include "port.h"

enum { NO_MEMORY = 41 };

static int bench_once(const ek_model *model, uint8_t *arena) {
  struct {
    uint32_t status, stack_bytes;
    uint64_t instructions;
  } head;
  int32_t i;
  int code = 0;
  for (i = 0; i < model->input_count && code == 0; ++i)
    code = port_read(arena + model->inputs[i].offset, model->inputs[i].bytes);
  if (code != 0) return code;
  port_paint_stack();
  head.instructions = port_instructions();
  head.status = (uint32_t)model->invoke(arena);
  head.instructions = port_instructions() - head.instructions;
  head.stack_bytes = port_stack_bytes();
  code = port_write(&head, (int32_t)sizeof head);
  for (i = 0; i < model->output_count && code == 0; ++i)
    code = port_write(arena + model->outputs[i].offset, model->outputs[i].bytes);
  return code;
}

static int bench_model(const ek_model *model) {
  uint32_t samples;
  int code = port_read(&samples, (int32_t)sizeof samples);
  uint8_t *arena = port_arena(model->arena_bytes);
  if (arena == 0) return NO_MEMORY;
  if (code == 0) model->init(arena);
  for (; code == 0 && samples > 0; --samples) code = bench_once(model, arena);
  return code;
}

int main(int argc, char **argv) {
  int code = port_open(argc, argv);
  int32_t i;
  for (i = 0; i < ek_model_count && code == 0; ++i) code = bench_model(ek_models[i]);
  return code != 0 ? code : port_close();
}
