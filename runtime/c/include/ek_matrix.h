/* Stacks of matrices multiplied by each other: a (rows, depth), b (depth, columns), either of them transposed. */
#ifndef EK_MATRIX_H
#define EK_MATRIX_H

#include "edgekit.h"

/* One operand: element (i, j) of matrix m is matrices[m * size + i * row + j * column]. */
typedef struct {
  const int32_t *numbers; /* [batch]: which matrix each product takes, or 0: its own */
  int32_t size, row, column;
} ek_matrices;

typedef struct {
  int32_t batch, rows, depth, columns;
  int32_t backward; /* from the last row of the last product to the first */
  ek_matrices a, b;
} ek_matrix_product;

typedef struct {
  ek_matrix_product product;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t multiplier, shift;
  int32_t low, high; /* smallest and largest output, minus zero */
  int32_t zero;
} ek_batch_matmul_s8_params;

typedef struct {
  ek_matrix_product product;
} ek_batch_matmul_f32_params;

/* y [batch][rows][columns] */
ek_status ek_batch_matmul_s8(const ek_batch_matmul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y);
ek_status ek_batch_matmul_f32(const ek_batch_matmul_f32_params *p, const float *a, const float *b, float *y);

/* The element of an operand at which product number `product` finds its matrix. */
static inline int32_t ek_matrix_at(const ek_matrices *m, int32_t product) {
  return (m->numbers ? m->numbers[product] : product) * m->size;
}

#endif
