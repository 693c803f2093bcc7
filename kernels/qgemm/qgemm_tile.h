/* qgemm_tile.h - what the variants of the kernels know of products with quantized rows (qgemm.h): packed weights, quantized rows,
 * and the arithmetic of one result.
 *
 * Packed weights. Sixteen rows of W, which make sixteen columns of the result, are a panel. A panel is a sequence of blocks: 32
 * weights of each of its columns. The K formats and IQ4_XS have a header before every eighth block. "f16 d" is sixteen halves,
 * one for each column, "u8 s" sixteen bytes. The last column of the table has the bytes of 32 x 16 weights, and as they are stored.
 *
 *   type        header        scales        values
 *   Q8_0                      f16 d         bytes           544  544
 *   Q4_0 IQ4_NL               f16 d         nibbles         288  288
 *   Q4_1                      f16 d, m      nibbles         320  320
 *   Q5_0                      f16 d         nibbles, bits   352  352
 *   Q5_1                      f16 d, m      nibbles, bits   384  384
 *   Q4_K        f16 d, dmin   u8 s, m       nibbles         296  288
 *   Q5_K        f16 d, dmin   u8 s, m       nibbles, bits   360  352
 *   Q6_K        f16 d         i8 s, s'      nibbles, pairs  420  420
 *   Q3_K        f16 d         i8 s, s'      pairs, bits     228  220
 *   Q2_K        f16 d, dmin   u8 t, t'      pairs           168  168   t = m << 4 | s
 *   IQ4_XS      f16 d         i8 s          nibbles         276  272
 *
 *   bytes    512: byte 64 i + 4 j + c is u[4 i + c] of column j                        i < 8, c < 4, j < 16
 *   nibbles  256: byte 64 i + 4 j + c is u[16 + 4 i + c] << 4 | u[4 i + c]             i < 4; bits 3:0 of u
 *   pairs    128: byte 64 h + 4 j + c has u[16 h + 4 p + c] in its bits 2p+1:2p        h < 2, p < 4; Q6_K: bits 5:4 of u; else 1:0
 *   bits      64: byte 4 j + c has u[4 i + c] in its bit i                             i < 8; Q3_K: bit 2 of u; else bit 4
 *
 * So the four values that an integer dot product multiplies at once lie together, and those of all columns in one register.
 * u = w + offset is not negative, w is the integer that the scale multiplies. IQ4's nibbles are indices of cso_iq4_levels, and
 * the offset is added to the level.
 *
 * Quantized rows. Each block of 32 numbers x of a row becomes integers q = round(x / d) in -127..127 with d = max |x| / 127.
 * Sixteen rows (the last group may have fewer) lie together, block by block, so that a tile reads one stream.
 *
 * The arithmetic of a result, equal in all variants and tiles, so that its bits depend on neither. Integers are exact; every
 * operation in f32 rounds as IEEE 754 says; fma rounds once. y = 0; then for each block, in their order:
 *
 *   one scale:   i = sum over the block of w q;                     y = fma(i, s dx, y)
 *   two scales:  i, i' = the same over its halves;                  y = fma(fma(i', s', i s), dx, y)
 *   one minimum: y = fma(m, x, y) where w has + m, fma(-m, x, y) where it has - m;   x = dx (sum of q)
 *   two minima:  the same for m and m', with the sums of the halves
 *
 * s = d of the block, or d s of the header's d and the block's s, m likewise, each rounded to f32.
 */
#ifndef CSO_KERNELS_QGEMM_TILE_H
#define CSO_KERNELS_QGEMM_TILE_H

#include "kernels/dtype.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CSO_QGEMM_COLUMNS = 16, /* of a panel */
    CSO_QGEMM_ROWS = 16     /* of a group of quantized rows */
};

/* A format of packed weights. What a block lacks has 0. */
typedef struct cso_qgemm_format {
    uint16_t block;     /* bytes of a block with its scales; 0: the type has no such format */
    uint8_t scales;     /* bytes of its scales, where its values begin */
    uint8_t header;     /* bytes of the header of eight blocks */
    uint8_t parts;      /* with a scale and a minimum each: 1 or 2 */
    uint8_t offset;     /* u - w */
    int8_t min;         /* the sign of the minimum */
    uint8_t pair_shift; /* where a pair belongs in u */
    uint8_t bit_shift;
    bool nibbles, pairs, bits; /* in this order; none: bytes */
    bool levels;               /* nibbles are indices */
} cso_qgemm_format;

static const cso_qgemm_format cso_qgemm_formats[CSO_DTYPE_COUNT] = {
    [CSO_Q8_0] = {.block = 544, .scales = 32, .parts = 1, .offset = 128},
    [CSO_Q4_0] = {.block = 288, .scales = 32, .parts = 1, .offset = 8, .nibbles = true},
    [CSO_Q4_1] = {.block = 320, .scales = 64, .parts = 1, .min = 1, .nibbles = true},
    [CSO_Q5_0] = {.block = 352, .scales = 32, .parts = 1, .offset = 16, .nibbles = true, .bits = true, .bit_shift = 4},
    [CSO_Q5_1] = {.block = 384, .scales = 64, .parts = 1, .min = 1, .nibbles = true, .bits = true, .bit_shift = 4},
    [CSO_Q4_K] = {.block = 288, .scales = 32, .header = 64, .parts = 1, .min = -1, .nibbles = true},
    [CSO_Q5_K] = {.block = 352, .scales = 32, .header = 64, .parts = 1, .min = -1, .nibbles = true, .bits = true, .bit_shift = 4},
    [CSO_Q6_K] =
        {.block = 416, .scales = 32, .header = 32, .parts = 2, .offset = 32, .nibbles = true, .pairs = true, .pair_shift = 4},
    [CSO_Q3_K] = {.block = 224, .scales = 32, .header = 32, .parts = 2, .offset = 4, .pairs = true, .bits = true, .bit_shift = 2},
    [CSO_Q2_K] = {.block = 160, .scales = 32, .header = 64, .parts = 2, .min = -1, .pairs = true},
    [CSO_IQ4_NL] = {.block = 288, .scales = 32, .parts = 1, .offset = 128, .nibbles = true, .levels = true},
    [CSO_IQ4_XS] = {.block = 272, .scales = 16, .header = 32, .parts = 1, .offset = 128, .nibbles = true, .levels = true},
};

/* One call: a group of rows times a panel. */
typedef struct cso_qgemm_tile {
    const uint8_t *panel;
    const int8_t *values;         /* (blocks, rows, 32): q */
    const float *scales;          /* (blocks, rows): dx */
    const int32_t *offsets;       /* (blocks, parts, rows): - offset times the sum of q, for formats with an offset */
    const float *sums;            /* (blocks, parts, rows): dx times the sum of q, for formats with a minimum */
    size_t blocks, rows, columns; /* rows and columns of the result: 1..16 */
    float *out;                   /* (rows, columns) */
    size_t ld;                    /* floats between rows of out */
} cso_qgemm_tile;

/* Weights that are plain numbers (F32, F16, BF16) times rows of x in f32, where both lie. Equal in all variants, too: sixteen sums,
 * of which sum l takes the products at l, l + 16, ..., each by fma(w, x, sum), in their order; what is missing of the last sixteen
 * counts as 0. Then sums l and l + 8 are added, of these l and l + 4, l and l + 2, and the last two. */
typedef struct cso_qgemm_plain {
    const uint8_t *w[CSO_QGEMM_COLUMNS]; /* a row of W for each column; any alignment */
    const float *x;                      /* (rows, n) */
    size_t ldx, n, rows, columns;
    float *out; /* (rows, columns) */
    size_t ld;
} cso_qgemm_plain;

/* Where a row's block of quantized numbers goes: that of the next block lies `rows` further. */
typedef struct cso_qgemm_row {
    int8_t *values; /* (blocks, rows, 32) */
    float *scales;  /* (blocks, rows) */
    int16_t *sums;  /* (blocks, 2, rows): of q over the halves of the block */
    size_t blocks, rows;
} cso_qgemm_row;

/* d of a block, and the number that takes its x to integers; 0: all integers are 0. */
typedef struct cso_qgemm_scale {
    float d, inverse;
} cso_qgemm_scale;

/* From the largest |x| of a block, as the bits of a float. A block with NaN or Inf gets d = NaN, which the results then have, too.
 * Where 127 / max would be Inf (below 4e-37), the block counts as zeros. */
static inline cso_qgemm_scale cso_qgemm_scale_of(uint32_t largest) {
    float max;
    memcpy(&max, &largest, sizeof max);
    if (largest >= 0x7f800000)
        return (cso_qgemm_scale){NAN, 0};
    if (max < 0x1p-121f)
        return (cso_qgemm_scale){0, 0};
    return (cso_qgemm_scale){max / 127, 127 / max};
}

#endif
