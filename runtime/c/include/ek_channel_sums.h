/* Sums of products within single channels. The loops are functions of their own, so that a compiler has all registers
   for them. */
#ifndef EK_CHANNEL_SUMS_H
#define EK_CHANNEL_SUMS_H

#include "ek_window.h"

typedef struct {
  int32_t kernel_h, kernel_w;
  int32_t row_x, column_x; /* elements of the input from row to row, from column to column of a kernel */
  int32_t offset;          /* added to the input */
} ek_taps;

/* bias plus sum of each of `channels` channels from x on, under the taps of a view
   w: [blocks][kernel_h][kernel_w][channels of the block], blocks of EK_BLOCK channels */
void ek_channel_sums_s8(int32_t *sums, int32_t channels, const int32_t *bias, const ek_taps *taps, const ek_view *view,
                        const int8_t *x, const int8_t *w);

#endif
