/* The mean of each window. */
#define KERNEL ek_average_pool2d_f32
#define PARAMS ek_pool2d_f32_params
#define NUMBER float
#define SUM float
#define START(p) 0.0f
#define GATHER(sum, value) ((sum) + (value))
#define FINISH(sum, count) ((sum) / (float)(count))
#include "ek_pooling_loops.h"
