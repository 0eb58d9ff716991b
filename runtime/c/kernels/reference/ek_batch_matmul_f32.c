/* Products of matrices. */
#include "ek_matrix.h"

static float dot(const ek_matrix_product *m, const float *a, const float *b) {
  const int32_t a_step = m->a.column, b_step = m->b.row;
  float sum = 0.0f;
  for (int32_t k = m->depth; k > 0; --k, a += a_step, b += b_step) sum += *a * *b;
  return sum;
}

ek_status ek_batch_matmul_f32(const ek_batch_matmul_f32_params *p, const float *a, const float *b, float *y) {
  const ek_matrix_product *m = &p->product;
  const int32_t count = m->batch * m->rows;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t at = m->backward ? count - 1 - i : i, product = at / m->rows, row = at - product * m->rows;
    const float *left = a + ek_matrix_at(&m->a, product) + row * m->a.row;
    const float *right = b + ek_matrix_at(&m->b, product);
    for (int32_t j = 0; j < m->columns; ++j) y[at * m->columns + j] = dot(m, left, right + j * m->b.column);
  }
  return EK_OK;
}
