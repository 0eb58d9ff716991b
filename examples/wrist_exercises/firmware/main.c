/* The recognizer on an emulated Cortex-M4. On a watch, recognizer_push() would be called with what the IMU's FIFO holds;
   here the samples come from a file, half a second at a time, by semihosting.

   Reads "inputs": the number of half seconds (uint32), then of each 25 samples of six int16. Prints the exercise when it
   changes. Writes "outputs": one `record` for each half second that ended with an inference. */
#include <string.h>

#include "port.h"
#include "recognizer.h"
#include "semihosting.h"

typedef struct {
  uint32_t instructions; /* of the half second: 25 samples, and the inference */
  uint32_t stack_bytes;
  int8_t scores[RECOGNIZER_EXERCISES];
  uint8_t heard, exercise;
  uint8_t unused[3];
} record;

static recognizer watch;

static void print(const char *text) { ek_semihosting(EK_SYS_WRITE0, text); }

/* "  12.5 s  row" */
static void print_change(uint32_t half_seconds, uint8_t exercise) {
  char time[] = "      .0 s  ";
  uint32_t seconds = half_seconds / 2;
  int at = 5;
  do time[at--] = (char)('0' + seconds % 10);
  while ((seconds /= 10) != 0 && at >= 0);
  if (half_seconds % 2 != 0) time[7] = '5';
  print(time);
  print(recognizer_name(exercise));
  print("\n");
}

/* 1 where the half second ended with an inference. */
static int half_second(const int16_t samples[RECOGNIZER_HOP][RECOGNIZER_CHANNELS], record *made) {
  uint64_t instructions;
  int i, ready = 0;
  port_paint_stack();
  instructions = port_instructions();
  for (i = 0; i < RECOGNIZER_HOP; ++i) ready |= recognizer_push(&watch, samples[i]);
  made->instructions = (uint32_t)(port_instructions() - instructions);
  made->stack_bytes = port_stack_bytes();
  return ready;
}

static int report(uint32_t half_seconds, uint8_t before, record *made) {
  memcpy(made->scores, recognizer_scores(&watch), sizeof made->scores);
  made->heard = watch.heard;
  made->exercise = watch.exercise;
  if (watch.exercise != before) print_change(half_seconds, watch.exercise);
  return port_write(made, (int32_t)sizeof *made);
}

int main(int argc, char **argv) {
  static int16_t samples[RECOGNIZER_HOP][RECOGNIZER_CHANNELS];
  static record made;
  uint32_t count = 0, done;
  int code = port_open(argc, argv);
  if (code == 0) code = port_read(&count, (int32_t)sizeof count);
  recognizer_init(&watch);
  for (done = 1; code == 0 && done <= count; ++done) {
    const uint8_t before = watch.exercise;
    code = port_read(samples, (int32_t)sizeof samples);
    if (code == 0 && half_second((const int16_t(*)[RECOGNIZER_CHANNELS])samples, &made)) code = report(done, before, &made);
  }
  return code != 0 ? code : port_close();
}
