/* blocks.h - the block structs of GGML's formats, byte for byte (ggml-common.h).
 *
 * Everything is an array of bytes: blocks sit at any alignment in a mapped file, and a half is read as two bytes in
 * little-endian order. What the bits of each block mean is drawn in ref/quant_<type>.c.
 */
#ifndef CSO_KERNELS_BLOCKS_H
#define CSO_KERNELS_BLOCKS_H

#include "dtype.h"

#include <assert.h>
#include <stdint.h>

enum {
    CSO_BLOCK = 32,      /* weights in a block of the simple formats */
    CSO_SUPERBLOCK = 256 /* weights in a block of the K formats and IQ4_XS */
};

typedef struct {
    uint8_t d[2], qs[16];
} cso_block_q4_0;
typedef struct {
    uint8_t d[2], m[2], qs[16];
} cso_block_q4_1;
typedef struct {
    uint8_t d[2], qh[4], qs[16];
} cso_block_q5_0;
typedef struct {
    uint8_t d[2], m[2], qh[4], qs[16];
} cso_block_q5_1;
typedef struct {
    uint8_t d[2];
    int8_t qs[32];
} cso_block_q8_0;
typedef struct {
    uint8_t scales[16], qs[64], d[2], dmin[2];
} cso_block_q2_k;
typedef struct {
    uint8_t hmask[32], qs[64], scales[12], d[2];
} cso_block_q3_k;
typedef struct {
    uint8_t d[2], dmin[2], scales[12], qs[128];
} cso_block_q4_k;
typedef struct {
    uint8_t d[2], dmin[2], scales[12], qh[32], qs[128];
} cso_block_q5_k;
typedef struct {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
} cso_block_q6_k;
typedef struct {
    uint8_t d[2], qs[16];
} cso_block_iq4_nl;
typedef struct {
    uint8_t d[2], scales_h[2], scales_l[4], qs[128];
} cso_block_iq4_xs;

static_assert(sizeof(cso_block_q4_0) == 18, "Q4_0");
static_assert(sizeof(cso_block_q4_1) == 20, "Q4_1");
static_assert(sizeof(cso_block_q5_0) == 22, "Q5_0");
static_assert(sizeof(cso_block_q5_1) == 24, "Q5_1");
static_assert(sizeof(cso_block_q8_0) == 34, "Q8_0");
static_assert(sizeof(cso_block_q2_k) == 84, "Q2_K");
static_assert(sizeof(cso_block_q3_k) == 110, "Q3_K");
static_assert(sizeof(cso_block_q4_k) == 144, "Q4_K");
static_assert(sizeof(cso_block_q5_k) == 176, "Q5_K");
static_assert(sizeof(cso_block_q6_k) == 210, "Q6_K");
static_assert(sizeof(cso_block_iq4_nl) == 18, "IQ4_NL");
static_assert(sizeof(cso_block_iq4_xs) == 136, "IQ4_XS");

/* The two bytes of a half, as stored. */
static inline uint16_t cso_block_u16(const uint8_t bytes[2]) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}
static inline float cso_block_half(const uint8_t bytes[2]) {
    return cso_f16_to_f32(cso_block_u16(bytes));
}

/* Q4_K and Q5_K pack eight 6-bit scales s and eight 6-bit minima m, one pair for 32 weights, into 12 bytes:
 *
 *   byte j     (j < 4)   s[j+4] bits 5:4 | s[j] bits 5:0
 *   byte 4 + j           m[j+4] bits 5:4 | m[j] bits 5:0
 *   byte 8 + j           m[j+4] bits 3:0 | s[j+4] bits 3:0
 */
static inline void cso_block_scale_min(const uint8_t packed[12], int j, int *scale, int *min) {
    if (j < 4) {
        *scale = packed[j] & 63;
        *min = packed[j + 4] & 63;
    } else {
        *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
        *min = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
    }
}

/* Q3_K packs sixteen 6-bit scales, stored plus 32, into 12 bytes: byte j < 8 has the low four bits of s[j] (low) and s[j+8]
 * (high), byte 8 + j%4 has bits 5:4 of s[j] at bit 2*(j/4). */
static inline int cso_block_scale_q3_k(const uint8_t packed[12], int j) {
    int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
    int high = packed[8 + j % 4] >> 2 * (j / 4) & 3;
    return (low | high << 4) - 32;
}

/* The sixteen levels of IQ4_NL and IQ4_XS. */
static const int8_t cso_iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#endif
