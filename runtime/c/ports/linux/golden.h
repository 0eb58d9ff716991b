/* Samples with the outputs that the model must give for them (golden.raw, written by edgekit), and the comparison.

   The file, little endian: "EKGOLD1" and a 0, the number of samples (uint32), a 0 (uint32), 64 digits: the SHA-256 of
   the inputs as applications give them. Then of each sample the inputs as the model stores them, and the outputs as
   applications get them: float32 where the output stands for real values, else the model's own integers. */
#ifndef EK_GOLDEN_H
#define EK_GOLDEN_H

#include "json.h"
#include "native.h"

enum { OUTPUTS = 64 };

typedef struct {
  const ek_native *native;
  const uint8_t *samples; /* of the file */
  uint32_t count;
  size_t sample_bytes;
  void *app; /* memory for the largest output as applications get it */
  char input_sha256[65];
} golden;

typedef struct {
  int ok;
  double max_abs_error, tolerance; /* of the worst output; tolerance is negative where there is none */
  char output_sha256[65];
  struct {
    double error;
    int finite, ok;
  } outputs[OUTPUTS];
} verdict;

/* 0, or why it cannot be read. */
const char *golden_open(golden *g, const ek_native *native, const char *path);

/* Puts the inputs of sample `index` into the arena. */
void golden_input(const golden *g, uint32_t index, uint8_t *arena);

/* Runs every sample. Returns what the model returned. */
ek_status golden_check(const golden *g, uint8_t *arena, verdict *v);

void json_verdict(json *j, const golden *g, const verdict *v);
/* One line for people: which outputs are wrong. */
void mismatch(const golden *g, const verdict *v, char *text, size_t size);

#endif
