/* LSTM of floats. Source of the arithmetic: TFLite Micro's lstm_eval.h. */
#include <math.h>
#include <string.h>

#include "ek_recurrent.h"

enum { INPUT, FORGET, CELL, OUTPUT, GATES };

static float dot(const float *a, const float *b, int32_t n) {
  float sum = 0.0f;
  for (int32_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

static float sigmoid(float x) {
  const float inside = x < -80.0f ? -80.0f : x > 80.0f ? 80.0f : x;
  return 1.0f / (1.0f + expf(-inside));
}

/* One step of one unit: its next cell state; *show is what it multiplies the hidden state with. */
static float step(const ek_lstm_f32_params *p, int32_t unit, const float *x, const float *hidden, float cell,
                  float *show) {
  const ek_sequence *s = &p->sequence;
  float gates[GATES];
  for (int32_t k = 0; k < GATES; ++k) {
    const int32_t row = k * s->units + unit;
    gates[k] = dot(x, p->on_input + row * s->features, s->features) +
               dot(hidden, p->on_hidden + row * s->units, s->units) + p->bias[row];
  }
  const float next = sigmoid(gates[FORGET]) * cell + sigmoid(gates[INPUT]) * tanhf(gates[CELL]);
  *show = sigmoid(gates[OUTPUT]);
  return next < -p->cell_limit ? -p->cell_limit : next > p->cell_limit ? p->cell_limit : next;
}

/* What a step shows is the hidden state of the next one, so that y remembers it. */
ek_status ek_lstm_f32(const ek_lstm_f32_params *p, const float *x, const float *hidden, const float *cell, float *y,
                      float *next_hidden, float *next_cell) {
  const ek_sequence *s = &p->sequence;
  for (int32_t n = 0; n < s->batch; ++n) {
    const float *before = hidden + n * s->units, *remembered = cell + n * s->units;
    float *remember = next_cell + n * s->units;
    for (int32_t t = 0; t < s->steps; ++t) {
      const int32_t at = n * s->batch_stride + t * s->step_stride;
      float *now = y + at * s->units;
      for (int32_t unit = 0; unit < s->units; ++unit) {
        float show;
        remember[unit] = step(p, unit, x + at * s->features, before, remembered[unit], &show);
        now[unit] = show * tanhf(remember[unit]);
      }
      before = now;
      remembered = remember;
    }
    memcpy(next_hidden + n * s->units, before, (size_t)s->units * sizeof *before);
  }
  return EK_OK;
}
