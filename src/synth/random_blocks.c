/* random_blocks.c - see random_blocks.h.
 *
 * The two quantizations here are GGML's reference ones: Q8_0 rounds to 127 steps of the largest magnitude, Q4_0 maps the weight of
 * largest magnitude to -8. For the other types the bits are random and only the scales are set: in each of them a weight is d *
 * (something of the bits), less dmin * (something) or plus m, so the deviation is measured once with d = 1 in all blocks and then
 * divided out. Layouts: kernels/ref/quant_<type>.c.
 */
#include "random_blocks.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32, SUPERBLOCK = 256 };

bool cso_random_can_encode(cso_dtype dtype) {
    return dtype == CSO_F32 || dtype == CSO_F16 || dtype == CSO_BF16 || dtype == CSO_Q8_0 || dtype == CSO_Q4_0;
}

static void store_half(uint8_t *out, float value) {
    uint16_t half = cso_f32_to_f16(value);
    memcpy(out, &half, sizeof half);
}

static void encode_q8_0(const float *x, uint8_t *out) {
    float largest = 0;
    for (int i = 0; i < BLOCK; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    float d = largest / 127, inverse = d > 0 ? 1 / d : 0;
    store_half(out, d);
    for (int i = 0; i < BLOCK; i++)
        out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

static void encode_q4_0(const float *x, uint8_t *out) {
    float extreme = 0;
    for (int i = 0; i < BLOCK; i++)
        if (fabsf(x[i]) > fabsf(extreme))
            extreme = x[i];
    float d = extreme / -8, inverse = d != 0 ? 1 / d : 0;
    store_half(out, d);
    for (int i = 0; i < BLOCK / 2; i++) {
        int low = (int)(x[i] * inverse + 8.5f), high = (int)(x[i + BLOCK / 2] * inverse + 8.5f);
        out[2 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
    }
}

void cso_random_encode_row(cso_dtype dtype, const float *row, void *out, size_t columns) {
    uint8_t *bytes = out;
    size_t block_bytes = cso_dtype_get(dtype)->bytes;
    switch (dtype) {
    case CSO_F32:
        memcpy(out, row, columns * sizeof *row);
        break;
    case CSO_F16:
    case CSO_BF16:
        for (size_t i = 0; i < columns; i++) {
            uint16_t half = dtype == CSO_F16 ? cso_f32_to_f16(row[i]) : cso_f32_to_bf16(row[i]);
            memcpy(bytes + i * sizeof half, &half, sizeof half);
        }
        break;
    case CSO_Q8_0:
        for (size_t i = 0; i < columns / BLOCK; i++)
            encode_q8_0(row + i * BLOCK, bytes + i * block_bytes);
        break;
    default:
        for (size_t i = 0; i < columns / BLOCK; i++)
            encode_q4_0(row + i * BLOCK, bytes + i * block_bytes);
    }
}

/* Where a type's scales are in its block, and the ratio of second to first that centres the weights: the mean of a
 * random q, which is counted from 0 (Q4_1, Q5_1: w = d q + m; K types: w = d s q - dmin m, where s and m have the same
 * mean). */
typedef struct scale_fields {
    int d, second; /* offsets; -1: none */
    float ratio;
} scale_fields;

static const scale_fields FIELDS[CSO_DTYPE_COUNT] = {
    [CSO_Q4_1] = {0, 2, -7.5f}, [CSO_Q5_0] = {0, -1, 0},   [CSO_Q5_1] = {0, 2, -15.5f}, [CSO_Q2_K] = {80, 82, 1.5f},
    [CSO_Q3_K] = {108, -1, 0},  [CSO_Q4_K] = {0, 2, 7.5f}, [CSO_Q5_K] = {0, 2, 15.5f},  [CSO_Q6_K] = {208, -1, 0},
    [CSO_IQ4_NL] = {0, -1, 0},  [CSO_IQ4_XS] = {0, -1, 0},
};

static void set_scales(cso_dtype dtype, uint8_t *blocks, size_t count, float d) {
    const scale_fields *fields = &FIELDS[dtype];
    size_t bytes = cso_dtype_get(dtype)->bytes;
    for (size_t i = 0; i < count; i++) {
        store_half(blocks + i * bytes + fields->d, d);
        if (fields->second >= 0)
            store_half(blocks + i * bytes + fields->second, d * fields->ratio);
    }
}

void cso_random_bits(cso_dtype dtype, uint64_t seed, float deviation, void *out, size_t weights) {
    const cso_dtype_info *info = cso_dtype_get(dtype);
    size_t blocks = weights / info->block, size = blocks * info->bytes, measured = weights < 65536 ? weights : 65536;
    uint8_t *bytes = out;
    cso_rng rng = cso_rng_make(seed, CSO_STREAM_MODEL, 1);
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = cso_rng_u64(&rng);
        memcpy(bytes + i, &word, size - i < sizeof word ? size - i : sizeof word);
    }
    set_scales(dtype, bytes, blocks, 1);
    double squares = 0;
    for (size_t i = 0; i < measured; i += SUPERBLOCK) {
        float row[SUPERBLOCK];
        cso_dequantize_row(dtype, bytes + i / info->block * info->bytes, row, SUPERBLOCK);
        for (int j = 0; j < SUPERBLOCK; j++)
            squares += (double)row[j] * (double)row[j];
    }
    set_scales(dtype, bytes, blocks, (float)((double)deviation / sqrt(squares / (double)measured)));
}
