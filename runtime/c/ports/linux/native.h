/* A model as one program or library for Linux: what edgekit writes beside the model, and what the parts share. */
#ifndef EK_NATIVE_H
#define EK_NATIVE_H

#include "edgekit.h"

/* How an application sees an input or output. Its array, transposed by `permutation` and given another shape, is the
   model's own; the same way back for outputs. */
typedef struct {
  double tolerance; /* outputs: the largest absolute difference from the golden output; negative: there is none */
  int32_t rank;
  const int32_t *app_shape;
  const int32_t *permutation; /* 0: not at all */
} ek_view;

typedef struct {
  const ek_model *model;
  const char *version;   /* of edgekit */
  const char *precision; /* int8, float */
  const char *built_for; /* aarch64 cortex_a53 */
  const ek_view *inputs, *outputs;
} ek_native;

const ek_native *edgekit_native(void);

int32_t edgekit_count(const ek_value *value);

/* Whether applications have float32 there; else they have the model's own integers. */
int edgekit_is_real(const ek_value *value);

/* An application's array to where the model stores it, and back. The first returns 0, and may have written, where a
   number is infinite or none. */
int edgekit_write(const ek_value *value, const ek_view *view, const void *app, void *stored);
void edgekit_read(const ek_value *value, const ek_view *view, const void *stored, void *app);

#endif
