/* Products of matrices. Source of the arithmetic: TFLite's reference/batch_matmul.h. */
#include "ek_fixed_point.h"
#include "ek_matrix.h"

enum { BLOCK = 4 };

/* Sums of (a + a_offset) * (b + b_offset) for four neighbouring columns of b, of which those beyond `columns` repeat the
   last one: a + a_offset is read once for all of them, b_offset enters with the sum of it. */
static void sum_block(const ek_batch_matmul_s8_params *p, const int8_t *a, const int8_t *b, int32_t columns,
                      int32_t *sums) {
  const int32_t offset = p->a_offset, a_step = p->product.a.column, b_step = p->product.b.row;
  const int32_t one = columns > 1 ? p->product.b.column : 0;
  const int32_t two = columns > 2 ? one + p->product.b.column : one;
  const int32_t three = columns > 3 ? two + p->product.b.column : two;
  int32_t all = 0, s = 0, t = 0, u = 0, v = 0;
  for (int32_t k = p->product.depth; k > 0; --k, a += a_step, b += b_step) {
    const int32_t value = *a + offset;
    all += value;
    s += value * b[0];
    t += value * b[one];
    u += value * b[two];
    v += value * b[three];
  }
  all *= p->b_offset;
  sums[0] = s + all, sums[1] = t + all, sums[2] = u + all, sums[3] = v + all;
}

ek_status ek_batch_matmul_s8(const ek_batch_matmul_s8_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
  const ek_matrix_product *m = &p->product;
  const int32_t count = m->batch * m->rows;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t at = m->backward ? count - 1 - i : i, product = at / m->rows, row = at - product * m->rows;
    const int8_t *left = a + ek_matrix_at(&m->a, product) + row * m->a.row;
    const int8_t *right = b + ek_matrix_at(&m->b, product);
    for (int32_t j = 0; j < m->columns; j += BLOCK, right += BLOCK * m->b.column) {
      const int32_t columns = m->columns - j < BLOCK ? m->columns - j : BLOCK;
      int32_t sums[BLOCK];
      sum_block(p, left, right, columns, sums);
      for (int32_t k = 0; k < columns; ++k) {
        const int32_t scaled = ek_scale(sums[k], p->multiplier, p->shift);
        y[at * m->columns + j + k] = (int8_t)(ek_clamp(scaled, p->low, p->high) + p->zero);
      }
    }
  }
  return EK_OK;
}
