/* Samples of a watch's IMU, one at a time -> the shoulder exercise that its wearer does. */
#ifndef RECOGNIZER_H
#define RECOGNIZER_H

#include "wrist_exercises.h"

#define RECOGNIZER_RATE_HZ 50
#define RECOGNIZER_WINDOW 150 /* samples: 3 s */
#define RECOGNIZER_HOP 25     /* samples: half a second */
#define RECOGNIZER_VOTES 5    /* windows that vote */
#define RECOGNIZER_CHANNELS 6
#define RECOGNIZER_EXERCISES WRIST_EXERCISES_OUTPUT_SIZE
#define RECOGNIZER_NONE RECOGNIZER_EXERCISES /* before the first window */

typedef struct {
  int16_t ring[RECOGNIZER_WINDOW][RECOGNIZER_CHANNELS]; /* the last samples; the oldest is at `next` */
  int32_t sums[RECOGNIZER_CHANNELS];                    /* of the ring */
  uint16_t next;
  uint16_t missing; /* samples until the next inference */
  uint8_t votes[RECOGNIZER_VOTES];
  uint8_t oldest_vote;
  uint8_t heard;    /* what the last window alone says */
  uint8_t exercise; /* what most of the last windows say */
  wrist_exercises_arena arena;
} recognizer;

void recognizer_init(recognizer *r);

/* Takes a sample: ax, ay, az in 1/4096 g, then wx, wy, wz in 1/16.4 degrees a second. 1: half a second has gone by, and
   r->heard and r->exercise are new; else 0. */
int recognizer_push(recognizer *r, const int16_t sample[RECOGNIZER_CHANNELS]);

/* The scores behind r->heard: int8[RECOGNIZER_EXERCISES]. Valid until the next window. */
const int8_t *recognizer_scores(recognizer *r);

const char *recognizer_name(uint8_t exercise);

#endif
