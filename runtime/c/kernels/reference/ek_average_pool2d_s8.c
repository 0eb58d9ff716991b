/* The mean of each window. Source of the arithmetic: TFLite's reference_integer_ops/pooling.h. */
#include <stdint.h>

static int32_t mean(int32_t sum, int32_t count) { return (sum > 0 ? sum + count / 2 : sum - count / 2) / count; }

#define KERNEL ek_average_pool2d_s8
#define PARAMS ek_pool2d_params
#define NUMBER int8_t
#define SUM int32_t
#define START(p) 0
#define GATHER(sum, value) ((sum) + (value))
#define FINISH(sum, count) mean(sum, count)
#include "ek_pooling_loops.h"
