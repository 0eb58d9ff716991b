#include "recognizer.h"

#include <math.h>
#include <string.h>

/* The network wants g, and 125 degrees a second. dataset.py says the same. */
static const float steps[RECOGNIZER_CHANNELS] = {4096.0f, 4096.0f, 4096.0f, 2048.0f, 2048.0f, 2048.0f};

static const char *const names[RECOGNIZER_EXERCISES + 1] = {
    "pendulum", "abduction", "forward elevation", "internal rotation", "external rotation", "trapezius", "row", "-",
};

_Static_assert(RECOGNIZER_WINDOW * RECOGNIZER_CHANNELS == WRIST_EXERCISES_INPUT_SIZE, "the network takes a window");

void recognizer_init(recognizer *r) {
  memset(r, 0, sizeof *r);
  memset(r->votes, RECOGNIZER_NONE, sizeof r->votes);
  r->missing = RECOGNIZER_WINDOW;
  r->heard = r->exercise = RECOGNIZER_NONE;
  wrist_exercises_init(&r->arena);
}

static int8_t quantized(float x) {
  const float stored = rintf(x / WRIST_EXERCISES_INPUT_SCALE) + (float)WRIST_EXERCISES_INPUT_ZERO_POINT;
  return (int8_t)(stored < -128.0f ? -128.0f : stored > 127.0f ? 127.0f : stored);
}

/* Oldest sample first, the mean of each channel taken off: with it goes most of gravity. invoke() may overwrite its
   input: the ring keeps the samples for the next windows. */
static void fill_input(recognizer *r) {
  int8_t *input = wrist_exercises_input(&r->arena);
  int i, channel, at = r->next;
  float means[RECOGNIZER_CHANNELS];
  for (channel = 0; channel < RECOGNIZER_CHANNELS; ++channel)
    means[channel] = (float)r->sums[channel] / (float)RECOGNIZER_WINDOW;
  for (i = 0; i < RECOGNIZER_WINDOW; ++i) {
    for (channel = 0; channel < RECOGNIZER_CHANNELS; ++channel)
      *input++ = quantized(((float)r->ring[at][channel] - means[channel]) / steps[channel]);
    if (++at == RECOGNIZER_WINDOW) at = 0;
  }
}

static uint8_t best(const int8_t scores[RECOGNIZER_EXERCISES]) {
  uint8_t i, found = 0;
  for (i = 1; i < RECOGNIZER_EXERCISES; ++i)
    if (scores[i] > scores[found]) found = i;
  return found;
}

/* The exercise changes only to one that has more votes than the present one. */
static uint8_t elected(const recognizer *r) {
  uint8_t counts[RECOGNIZER_EXERCISES + 1] = {0};
  uint8_t i, found = r->exercise;
  for (i = 0; i < RECOGNIZER_VOTES; ++i) ++counts[r->votes[i]];
  counts[RECOGNIZER_NONE] = 0;
  for (i = 0; i < RECOGNIZER_EXERCISES; ++i)
    if (counts[i] > counts[found]) found = i;
  return found;
}

static void listen(recognizer *r) {
  fill_input(r);
  if (wrist_exercises_invoke(&r->arena) != EK_OK) return;
  r->heard = best(wrist_exercises_output(&r->arena));
  r->votes[r->oldest_vote] = r->heard;
  r->oldest_vote = (uint8_t)((r->oldest_vote + 1) % RECOGNIZER_VOTES);
  r->exercise = elected(r);
}

int recognizer_push(recognizer *r, const int16_t sample[RECOGNIZER_CHANNELS]) {
  int i;
  for (i = 0; i < RECOGNIZER_CHANNELS; ++i) {
    r->sums[i] += sample[i] - r->ring[r->next][i];
    r->ring[r->next][i] = sample[i];
  }
  r->next = (uint16_t)((r->next + 1) % RECOGNIZER_WINDOW);
  if (--r->missing != 0) return 0;
  r->missing = RECOGNIZER_HOP;
  listen(r);
  return 1;
}

const int8_t *recognizer_scores(recognizer *r) { return wrist_exercises_output(&r->arena); }

const char *recognizer_name(uint8_t exercise) { return names[exercise]; }
