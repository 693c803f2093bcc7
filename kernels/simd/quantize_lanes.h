/* quantize_lanes.h - sixteen groups of weights at once, one in each lane: the vectors of the quantizers.
 *
 * They are the compiler's own vectors, as wide as the processor's, and every lane is rounded as plain C rounds. So the quantizers
 * are written once, and all variants give the same bits. Rows are transposed on the way in: at[i] has weight i of all groups.
 */
#ifndef CSO_QUANTIZE_LANES_H
#define CSO_QUANTIZE_LANES_H

#include "../blocks.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
enum { LANE_WIDTH = 16 };
#elif defined(__AVX2__)
enum { LANE_WIDTH = 8 };
#else
enum { LANE_WIDTH = 4 };
#endif
enum { QUANT_LANES = 16, QUANT_GROUP = 32 /* weights of a group at most */ };

typedef float lane_f __attribute__((vector_size(4 * LANE_WIDTH), may_alias));
typedef int32_t lane_i __attribute__((vector_size(4 * LANE_WIDTH), may_alias)); /* of a comparison: all bits of a lane, or none */
typedef uint8_t lane_bytes __attribute__((vector_size(LANE_WIDTH), may_alias));

/* Vectors never cross a call: these functions have none of their own. */
#pragma GCC diagnostic ignored "-Wpsabi"
#define LANE_INLINE static inline __attribute__((always_inline))

LANE_INLINE lane_f l_set(float x) {
    return x - (lane_f){0};
}
LANE_INLINE lane_f l_choose(lane_i mask, lane_f yes, lane_f no) {
    return (lane_f)((mask & (lane_i)yes) | (~mask & (lane_i)no));
}
LANE_INLINE lane_f l_min(lane_f a, lane_f b) {
    return l_choose(a < b, a, b);
}
LANE_INLINE lane_f l_max(lane_f a, lane_f b) {
    return l_choose(a > b, a, b);
}
LANE_INLINE lane_f l_abs(lane_f a) {
    return (lane_f)((lane_i)a & 0x7fffffff);
}
/* To the nearest integer, of two the even one; |a| below 2^22. */
LANE_INLINE lane_f l_round(lane_f a) {
    const lane_f shift = l_set(12582912.0f); /* 1.5 x 2^23 */
    return (a + shift) - shift;
}
LANE_INLINE lane_f l_clamp(lane_f a, float low, float high) {
    return l_max(l_min(a, l_set(high)), l_set(low));
}
/* a / b where b is not 0, else 0. */
LANE_INLINE lane_f l_divide(lane_f a, lane_f b) {
    lane_i none = b == l_set(0);
    return l_choose(none, l_set(0), a / l_choose(none, l_set(1), b));
}

/* Groups of n weights, transposed. */
typedef struct lane_groups {
    _Alignas(64) float at[QUANT_GROUP][QUANT_LANES];
} lane_groups;

LANE_INLINE lane_f l_load(const float *lanes) {
    return *(const lane_f *)lanes;
}
LANE_INLINE void l_store(float *lanes, lane_f x) {
    *(lane_f *)lanes = x;
}

/* groups->at[i][g] = x[n g + i] for the first `count` groups; the others are zeros. */
static inline void lanes_load(lane_groups *groups, const float *x, int n, int count) {
    if (count < QUANT_LANES)
        memset(groups, 0, sizeof *groups);
    for (int g = 0; g < count; g++)
        for (int i = 0; i < n; i++)
            groups->at[i][g] = x[n * g + i];
}

/* Levels of groups: q[i][g], from 0. */
typedef struct lane_levels {
    _Alignas(16) uint8_t q[QUANT_GROUP][QUANT_LANES];
} lane_levels;

/* Integers 0 to 255 that floats hold. */
LANE_INLINE void levels_store(uint8_t *q, lane_f level) {
    *(lane_bytes *)q = __builtin_convertvector(__builtin_convertvector(level, lane_i), lane_bytes);
}

static inline void block_store_half(uint8_t bytes[2], float value) {
    uint16_t half = cso_f32_to_f16(fminf(fmaxf(value, -65504.0f), 65504.0f));
    bytes[0] = (uint8_t)half;
    bytes[1] = (uint8_t)(half >> 8);
}

#endif
