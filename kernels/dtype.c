/* dtype.c - the table of stored types, and conversions of single values. */
#include "dtype.h"
#include "base/memory.h"
#include "blocks.h"
#include "kernels.h"

#include <string.h>

/* Type ids: the GGUF specification (ggml/docs/gguf.md, enum ggml_type). */
static const cso_dtype_info dtypes[CSO_DTYPE_COUNT] = {
    [CSO_F32] = {"F32", "F32", 0, 1, 4},
    [CSO_F16] = {"F16", "F16", 1, 1, 2},
    [CSO_BF16] = {"BF16", "BF16", 30, 1, 2},
    [CSO_Q4_0] = {"Q4_0", NULL, 2, CSO_BLOCK, sizeof(cso_block_q4_0)},
    [CSO_Q4_1] = {"Q4_1", NULL, 3, CSO_BLOCK, sizeof(cso_block_q4_1)},
    [CSO_Q5_0] = {"Q5_0", NULL, 6, CSO_BLOCK, sizeof(cso_block_q5_0)},
    [CSO_Q5_1] = {"Q5_1", NULL, 7, CSO_BLOCK, sizeof(cso_block_q5_1)},
    [CSO_Q8_0] = {"Q8_0", NULL, 8, CSO_BLOCK, sizeof(cso_block_q8_0)},
    [CSO_Q2_K] = {"Q2_K", NULL, 10, CSO_SUPERBLOCK, sizeof(cso_block_q2_k)},
    [CSO_Q3_K] = {"Q3_K", NULL, 11, CSO_SUPERBLOCK, sizeof(cso_block_q3_k)},
    [CSO_Q4_K] = {"Q4_K", NULL, 12, CSO_SUPERBLOCK, sizeof(cso_block_q4_k)},
    [CSO_Q5_K] = {"Q5_K", NULL, 13, CSO_SUPERBLOCK, sizeof(cso_block_q5_k)},
    [CSO_Q6_K] = {"Q6_K", NULL, 14, CSO_SUPERBLOCK, sizeof(cso_block_q6_k)},
    [CSO_IQ4_NL] = {"IQ4_NL", NULL, 20, CSO_BLOCK, sizeof(cso_block_iq4_nl)},
    [CSO_IQ4_XS] = {"IQ4_XS", NULL, 23, CSO_SUPERBLOCK, sizeof(cso_block_iq4_xs)},
};

const cso_dtype_info *cso_dtype_get(cso_dtype dtype) {
    return &dtypes[dtype];
}

bool cso_dtype_from_ggml(uint32_t ggml, cso_dtype *dtype) {
    for (int i = 0; i < CSO_DTYPE_COUNT; i++) {
        if (dtypes[i].ggml == ggml) {
            *dtype = (cso_dtype)i;
            return true;
        }
    }
    return false;
}

bool cso_dtype_from_safetensors(const char *name, cso_dtype *dtype) {
    for (int i = 0; i < CSO_DTYPE_COUNT; i++) {
        if (dtypes[i].safetensors && !strcmp(dtypes[i].safetensors, name)) {
            *dtype = (cso_dtype)i;
            return true;
        }
    }
    return false;
}

bool cso_dtype_row_bytes(cso_dtype dtype, size_t columns, size_t *bytes) {
    const cso_dtype_info *info = &dtypes[dtype];
    if (columns % info->block)
        return false;
    return cso_size_mul(columns / info->block, info->bytes, bytes);
}

void cso_dequantize_row(cso_dtype dtype, const void *data, float *out, size_t columns) {
    cso_kernels_choose(NULL)->dequantize_row[dtype](data, out, columns);
}

bool cso_dtype_is_written(cso_dtype dtype) {
    return cso_kernels_at(0)->quantize[dtype] != NULL;
}

void cso_quantize_row(cso_dtype dtype, const float *x, const float *importance, void *out, size_t columns) {
    cso_kernels_choose(NULL)->quantize[dtype](x, importance, out, columns);
}

static float float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* IEEE 754: half is sign 1, exponent 5 (bias 15), fraction 10; float is sign 1, exponent 8 (bias 127), fraction 23. A NaN comes
 * out quiet, as the processors' own conversion makes it. */
float cso_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000u : 0));
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, exact in f32 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

float cso_bf16_to_f32(uint16_t half) {
    return float_from_bits((uint32_t)half << 16);
}

uint16_t cso_f32_to_f16(float value) {
    uint32_t bits = bits_of_float(value), magnitude = bits & 0x7fffffff;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) {
        /* Below 2^-14: a subnormal half is a multiple of 2^-24. Adding 0.5, whose last bit is worth 2^-24, rounds to one. */
        uint32_t sum = bits_of_float(float_from_bits(magnitude) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3f000000));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1); /* to nearest, ties to even; may carry into the exponent */
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

uint16_t cso_f32_to_bf16(float value) {
    uint32_t bits = bits_of_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
