/* The largest value of each window. */
#define KERNEL ek_max_pool2d_f32
#define PARAMS ek_pool2d_f32_params
#define NUMBER float
#define SUM float
#define START(p) (p)->low
#define GATHER(sum, value) ((value) > (sum) ? (value) : (sum))
#define FINISH(sum, count) (sum)
#include "ek_pooling_loops.h"
