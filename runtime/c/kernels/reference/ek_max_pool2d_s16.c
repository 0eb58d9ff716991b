/* The largest value of each window. */
#define KERNEL ek_max_pool2d_s16
#define PARAMS ek_pool2d_params
#define NUMBER int16_t
#define SUM int32_t
#define START(p) (p)->low
#define GATHER(sum, value) ((value) > (sum) ? (value) : (sum))
#define FINISH(sum, count) (sum)
#include "ek_pooling_loops.h"
