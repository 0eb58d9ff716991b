/* Products of matrices. Source of the arithmetic: TFLite's reference/batch_matmul.h. */
#include "ek_fixed_point.h"
#include "ek_matrix.h"

static int32_t dot(const ek_batch_matmul_s8_params *p, const int8_t *a, const int8_t *b) {
  const int32_t a_offset = p->a_offset, b_offset = p->b_offset;
  const int32_t a_step = p->product.a.column, b_step = p->product.b.row;
  int32_t sum = 0;
  for (int32_t k = p->product.depth; k > 0; --k, a += a_step, b += b_step) sum += (*a + a_offset) * (*b + b_offset);
  return sum;
}

ek_status ek_batch_matmul_s8(const ek_batch_matmul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const ek_matrix_product *m = &p->product;
  const int32_t count = m->batch * m->rows;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t at = m->backward ? count - 1 - i : i, product = at / m->rows, row = at - product * m->rows;
    const int8_t *left = a + ek_matrix_at(&m->a, product) + row * m->a.row;
    const int8_t *right = b + ek_matrix_at(&m->b, product);
    for (int32_t j = 0; j < m->columns; ++j) {
      const int32_t scaled = ek_scale(dot(p, left, right + j * m->b.column), p->multiplier, p->shift);
      y[at * m->columns + j] = (int8_t)(ek_clamp(scaled, p->low, p->high) + p->zero);
    }
  }
  return EK_OK;
}
