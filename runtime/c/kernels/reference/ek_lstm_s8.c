/* LSTM with a cell state of 16 bits. Source of the arithmetic: TFLite Micro's lstm_eval.h and the int16 functions of
   reference_integer_ops/{logistic,tanh}.h, which interpolate in a table of the sigmoid. */
#include <string.h>

#include "ek_fixed_point.h"
#include "ek_recurrent.h"

enum { INPUT, FORGET, CELL, OUTPUT, GATES };

static int32_t clamp_s16(int32_t x) { return ek_clamp(x, INT16_MIN, INT16_MAX); }

/* (x + offset) * w of all gates, added to sums; w [4][units][n] is that of one unit */
static void add_products(int32_t *sums, const int8_t *x, int32_t offset, const int8_t *w, int32_t n, int32_t units) {
  const int32_t gate = units * n;
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int32_t i = 0; i < n; ++i, ++w) {
    const int32_t value = x[i] + offset;
    a += value * w[0];
    b += value * w[gate];
    c += value * w[2 * gate];
    d += value * w[3 * gate];
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* What enters the sigmoids and the tanh of one unit, in Q3.12. */
static void enter_gates(const ek_lstm_s8_params *p, int32_t unit, const int8_t *x, const int8_t *hidden, int32_t *gates) {
  const ek_sequence *s = &p->sequence;
  int32_t of_input[GATES], of_hidden[GATES] = {0, 0, 0, 0};
  for (int32_t k = 0; k < GATES; ++k) of_input[k] = p->bias[k * s->units + unit];
  add_products(of_input, x, p->input_offset, p->on_input + unit * s->features, s->features, s->units);
  add_products(of_hidden, hidden, -p->hidden_zero, p->on_hidden + unit * s->units, s->units, s->units);
  for (int32_t k = 0; k < GATES; ++k) {
    const int32_t a = clamp_s16(ek_scale(of_input[k], p->input_multipliers[k], p->input_shifts[k]));
    const int32_t b = clamp_s16(ek_scale(of_hidden[k], p->hidden_multipliers[k], p->hidden_shifts[k]));
    gates[k] = clamp_s16(a + b);
  }
}

/* Entry `at` of the table and a part of the way to the next, in 2^-bits of an entry. */
static int32_t interpolated(const int16_t *table, int32_t at, int32_t part, int32_t bits) {
  const int32_t low = (uint16_t)table[at], high = (uint16_t)table[at + 1];
  return low * (1 << bits) + part * (high - low);
}

/* sigmoid of Q3.12 in Q0.15; an entry of the table is 1/24, so x * 3 counts 512 for each */
static int32_t sigmoid(const int16_t *table, int32_t x) {
  const int32_t size = 3 * (x < 0 ? -x : x);
  const int32_t result = interpolated(table, size >> 9, size & 0x1FF, 9);
  return (x >= 0 ? result + (1 << 9) : (1 << 25) - result + (1 << 9) - 1) >> 10;
}

/* tanh of x in 2^(bits - 12) in Q0.15: 2 * sigmoid(2 * x) - 1 */
static int32_t hyperbolic_tangent(const int16_t *table, int32_t x, int32_t bits) {
  const int32_t wide = bits >= 0 ? 3 * x * (1 << bits) : (3 * x + (1 << (-bits - 1))) >> -bits;
  const int32_t size = wide < 0 ? -wide : wide, at = size >> 8;
  const int32_t result = at >= 255 ? 0xFFFF << 8 : interpolated(table, at, size & 0xFF, 8);
  return (wide >= 0 ? result - (1 << 23) + (1 << 7) : (1 << 23) - result + (1 << 7) - 1) >> 8;
}

/* One step of one unit: its next cell state, and what it shows. */
static int16_t next_cell_state(const ek_lstm_s8_params *p, const int32_t *gates, int32_t cell) {
  const int32_t kept = sigmoid(p->sigmoid, gates[FORGET]) * cell;
  const int32_t added = sigmoid(p->sigmoid, gates[INPUT]) * hyperbolic_tangent(p->sigmoid, gates[CELL], 0);
  const int32_t sum = clamp_s16(ek_scale(kept, p->kept_multiplier, p->kept_shift)) +
                      clamp_s16(ek_scale(added, p->added_multiplier, p->added_shift));
  return (int16_t)ek_clamp(sum, p->cell_low, p->cell_high);
}

static int8_t shown(const ek_lstm_s8_params *p, int32_t gate, int32_t cell) {
  const int32_t product = hyperbolic_tangent(p->sigmoid, cell, p->cell_bits) * sigmoid(p->sigmoid, gate);
  const int32_t scaled = ek_scale(product, p->shown_multiplier, p->shown_shift);
  return (int8_t)(ek_clamp(scaled, INT8_MIN - p->hidden_zero, INT8_MAX - p->hidden_zero) + p->hidden_zero);
}

/* What a step shows is the hidden state of the next one, so that y remembers it. */
ek_status ek_lstm_s8(const ek_lstm_s8_params *p, const int8_t *x, const int8_t *hidden, const int16_t *cell, int8_t *y,
                     int8_t *next_hidden, int16_t *next_cell) {
  const ek_sequence *s = &p->sequence;
  for (int32_t n = 0; n < s->batch; ++n) {
    const int8_t *before = hidden + n * s->units;
    const int16_t *remembered = cell + n * s->units;
    int16_t *remember = next_cell + n * s->units;
    for (int32_t t = 0; t < s->steps; ++t) {
      const int32_t at = n * s->batch_stride + t * s->step_stride;
      int8_t *now = y + at * s->units;
      for (int32_t unit = 0; unit < s->units; ++unit) {
        int32_t gates[GATES];
        enter_gates(p, unit, x + at * s->features, before, gates);
        remember[unit] = next_cell_state(p, gates, remembered[unit]);
        now[unit] = shown(p, gates[OUTPUT], remember[unit]);
      }
      before = now;
      remembered = remember;
    }
    memcpy(next_hidden + n * s->units, before, (size_t)s->units);
  }
  return EK_OK;
}
