/* random_blocks.h - rows of stored types made from numbers, or from random bits; internal to src/synth. */
#ifndef CSO_RANDOM_BLOCKS_H
#define CSO_RANDOM_BLOCKS_H

#include "kernels/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* F32, F16, BF16, Q8_0 and Q4_0. */
bool cso_random_can_encode(cso_dtype dtype);
/* columns: a multiple of the type's block. */
void cso_random_encode_row(cso_dtype dtype, const float *row, void *out, size_t columns);

/* `weights` weights (a multiple of 256) of any other type: random bits, and scales such that the standard deviation is as
 * asked. */
void cso_random_bits(cso_dtype dtype, uint64_t seed, float deviation, void *out, size_t weights);

#endif
