/* Functions of 8-bit numbers: whatever they are, a table made at conversion time holds their answers. */
#ifndef EK_FUNCTIONS_H
#define EK_FUNCTIONS_H

#include "edgekit.h"

typedef struct {
  int32_t size;
  const int8_t *table; /* [256], from the bytes of the input without a sign: 0..127, then -128..-1 */
} ek_lookup_s8_params;

/* The output may take the place of the input. */
ek_status ek_lookup_s8(const ek_lookup_s8_params *p, const int8_t *x, int8_t *y);

#endif
