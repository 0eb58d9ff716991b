/* Operators that remember: SVDF and the LSTM over a sequence. They read a state and make the next one elsewhere. */
#ifndef EK_RECURRENT_H
#define EK_RECURRENT_H

#include "edgekit.h"

/* SVDF: x [batch][features], state [batch][filters][memory] -> y [batch][filters / rank], the next state. */

/* int8; states of 8 or 16 bits, and time weights of the same. A factor is multiplier * 2^(shift - 31). */
typedef struct {
  int32_t batch, features, filters, memory, rank;
  const int8_t *feature; /* [filters][features] */
  const void *time;      /* [filters][memory] */
  const int32_t *bias;   /* [filters / rank] */
  int32_t offset;        /* minus the zero point of x */
  int32_t state_zero, zero;
  int32_t into_multiplier, into_shift; /* from sums over features to the state */
  int32_t out_multiplier, out_shift;   /* from sums over the memory to y */
} ek_svdf_params;

ek_status ek_svdf_s8(const ek_svdf_params *p, const int8_t *x, const int8_t *state, int8_t *y, int8_t *next);
ek_status ek_svdf_s16(const ek_svdf_params *p, const int8_t *x, const int16_t *state, int8_t *y, int16_t *next);

typedef struct {
  int32_t batch, features, filters, memory, rank;
  const float *feature, *time, *bias;
  float low, high;
} ek_svdf_f32_params;

ek_status ek_svdf_f32(const ek_svdf_f32_params *p, const float *x, const float *state, float *y, float *next);

/* LSTM: x of `steps` times [features] for each of `batch`, hidden and cell state [batch][units] -> y of `steps` times
   [units], the next states. Gates are input, forget, cell, output. */

/* Element [batch n][step t] of x and y lies at (n * batch_stride + t * step_stride) * its features or units. */
typedef struct {
  int32_t batch, steps, features, units;
  int32_t batch_stride, step_stride;
} ek_sequence;

typedef struct {
  ek_sequence sequence;
  const int8_t *on_input;  /* [4][units][features] */
  const int8_t *on_hidden; /* [4][units][units] */
  const int32_t *bias;     /* [4][units] */
  int32_t input_offset;    /* minus the zero point of x */
  int32_t hidden_zero;     /* zero point of y and of the hidden state */
  int32_t input_multipliers[4], input_shifts[4];   /* to Q3.12 */
  int32_t hidden_multipliers[4], hidden_shifts[4]; /* to Q3.12 */
  int32_t kept_multiplier, kept_shift;             /* of forget gate * cell state, to the cell state */
  int32_t added_multiplier, added_shift;           /* of input gate * cell gate, to the cell state */
  int32_t shown_multiplier, shown_shift;           /* of output gate * tanh, to the hidden state */
  int32_t cell_bits;       /* the cell state counts in 2^(cell_bits - 12) */
  int32_t cell_low, cell_high;
  const int16_t *sigmoid;  /* [256], the bits of uint16_t: sigmoid(k / 24) in Q0.16 */
} ek_lstm_s8_params;

ek_status ek_lstm_s8(const ek_lstm_s8_params *p, const int8_t *x, const int8_t *hidden, const int16_t *cell, int8_t *y,
                     int8_t *next_hidden, int16_t *next_cell);

typedef struct {
  ek_sequence sequence;
  const float *on_input, *on_hidden, *bias;
  float cell_limit; /* the cell state stays between minus it and it */
} ek_lstm_f32_params;

ek_status ek_lstm_f32(const ek_lstm_f32_params *p, const float *x, const float *hidden, const float *cell, float *y,
                      float *next_hidden, float *next_cell);

#endif
