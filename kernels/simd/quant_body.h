/* quant_body.h - dequantizers on vectors, 16 weights at a time. A variant's file includes it after a vec_<isa>.h and calls
 * fill_quant. kernels/ref/quant_<type>.c draw the bit layouts; every product and sum is rounded as there, so all variants give
 * the same bits. */
#include "../blocks.h"
#include "../variants.h"

static inline __m128i bytes16(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}
static inline float half(const uint8_t bytes[2]) {
    return _cvtsh_ss(cso_block_u16(bytes));
}
static inline __m128i low_nibbles(__m128i x) {
    return _mm_and_si128(x, _mm_set1_epi8(15));
}
static inline __m128i high_nibbles(__m128i x) {
    return _mm_and_si128(_mm_srli_epi16(x, 4), _mm_set1_epi8(15));
}
static inline __m128i minus(__m128i x, char offset) {
    return _mm_sub_epi8(x, _mm_set1_epi8(offset));
}

/* Byte i is `value` where bit i of `bits` is set, else 0. */
static inline __m128i bytes_of_bits(uint32_t bits, char value) {
    __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits), _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    __m128i select = _mm_set1_epi64x((long long)0x8040201008040201u);
    __m128i set = _mm_cmpeq_epi8(_mm_and_si128(spread, select), select);
    return _mm_and_si128(set, _mm_set1_epi8(value));
}

/* Bit `bit` of each byte as `value` or 0. */
static inline __m128i bytes_with_bit(__m128i x, int bit, char value) {
    __m128i select = _mm_set1_epi8((char)(1 << bit));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(x, select), select), _mm_set1_epi8(value));
}

/* Bits shift+1:shift of each byte. */
static inline __m128i bit_pairs(__m128i x, int shift) {
    return _mm_and_si128(_mm_srl_epi16(x, _mm_cvtsi32_si128(shift)), _mm_set1_epi8(3));
}

static void dequantize_f16(const void *data, float *out, size_t columns) {
    const uint8_t *bytes = data;
    size_t i = 0;
    for (; i + 16 <= columns; i += 16)
        q_store16_f16(out + i, bytes + 2 * i);
    for (; i < columns; i++)
        out[i] = half(bytes + 2 * i);
}

static void dequantize_bf16(const void *data, float *out, size_t columns) {
    const uint8_t *bytes = data;
    size_t i = 0;
    for (; i + 16 <= columns; i += 16)
        q_store16_bf16(out + i, bytes + 2 * i);
    for (; i < columns; i++)
        out[i] = cso_bf16_to_f32(cso_block_u16(bytes + 2 * i));
}

static void dequantize_q4_0(const void *data, float *out, size_t columns) {
    const cso_block_q4_0 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d);
        __m128i q = bytes16(block->qs);
        q_store16(out, minus(low_nibbles(q), 8), d);
        q_store16(out + 16, minus(high_nibbles(q), 8), d);
    }
}

static void dequantize_q4_1(const void *data, float *out, size_t columns) {
    const cso_block_q4_1 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d), m = half(block->m);
        __m128i q = bytes16(block->qs);
        q_store16_shifted(out, low_nibbles(q), d, m);
        q_store16_shifted(out + 16, high_nibbles(q), d, m);
    }
}

static void dequantize_q5_0(const void *data, float *out, size_t columns) {
    const cso_block_q5_0 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d);
        __m128i q = bytes16(block->qs), high0 = bytes_of_bits(cso_block_u16(block->qh), 16);
        __m128i high1 = bytes_of_bits(cso_block_u16(block->qh + 2), 16);
        q_store16(out, minus(_mm_or_si128(low_nibbles(q), high0), 16), d);
        q_store16(out + 16, minus(_mm_or_si128(high_nibbles(q), high1), 16), d);
    }
}

static void dequantize_q5_1(const void *data, float *out, size_t columns) {
    const cso_block_q5_1 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d), m = half(block->m);
        __m128i q = bytes16(block->qs), high0 = bytes_of_bits(cso_block_u16(block->qh), 16);
        __m128i high1 = bytes_of_bits(cso_block_u16(block->qh + 2), 16);
        q_store16_shifted(out, _mm_or_si128(low_nibbles(q), high0), d, m);
        q_store16_shifted(out + 16, _mm_or_si128(high_nibbles(q), high1), d, m);
    }
}

static void dequantize_q8_0(const void *data, float *out, size_t columns) {
    const cso_block_q8_0 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d);
        q_store16(out, bytes16(block->qs), d);
        q_store16(out + 16, bytes16(block->qs + 16), d);
    }
}

static void dequantize_q2_k(const void *data, float *out, size_t columns) {
    const cso_block_q2_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d), dmin = half(block->dmin);
        for (int group = 0; group < 16; group++, out += 16) {
            float scale = d * (float)(block->scales[group] & 15), min = dmin * (float)(block->scales[group] >> 4);
            __m128i q = bytes16(block->qs + 32 * (group / 8) + 16 * (group % 2));
            q_store16_shifted(out, bit_pairs(q, 2 * (group % 8 / 2)), scale, -min);
        }
    }
}

static void dequantize_q3_k(const void *data, float *out, size_t columns) {
    const cso_block_q3_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d);
        for (int group = 0; group < 16; group++, out += 16) {
            float scale = d * (float)cso_block_scale_q3_k(block->scales, group);
            __m128i low = bit_pairs(bytes16(block->qs + 32 * (group / 8) + 16 * (group % 2)), 2 * (group % 8 / 2));
            __m128i high = bytes_with_bit(bytes16(block->hmask + 16 * (group % 2)), group / 2, 4);
            q_store16(out, minus(_mm_or_si128(low, high), 4), scale);
        }
    }
}

static void dequantize_q4_k(const void *data, float *out, size_t columns) {
    const cso_block_q4_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d), dmin = half(block->dmin);
        for (int pair = 0; pair < 4; pair++, out += 64) {
            int s0, m0, s1, m1;
            cso_block_scale_min(block->scales, 2 * pair, &s0, &m0);
            cso_block_scale_min(block->scales, 2 * pair + 1, &s1, &m1);
            float scale0 = d * (float)s0, min0 = dmin * (float)m0, scale1 = d * (float)s1, min1 = dmin * (float)m1;
            for (int l = 0; l < 32; l += 16) {
                __m128i q = bytes16(block->qs + 32 * pair + l);
                q_store16_shifted(out + l, low_nibbles(q), scale0, -min0);
                q_store16_shifted(out + 32 + l, high_nibbles(q), scale1, -min1);
            }
        }
    }
}

static void dequantize_q5_k(const void *data, float *out, size_t columns) {
    const cso_block_q5_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d), dmin = half(block->dmin);
        for (int pair = 0; pair < 4; pair++, out += 64) {
            int s0, m0, s1, m1;
            cso_block_scale_min(block->scales, 2 * pair, &s0, &m0);
            cso_block_scale_min(block->scales, 2 * pair + 1, &s1, &m1);
            float scale0 = d * (float)s0, min0 = dmin * (float)m0, scale1 = d * (float)s1, min1 = dmin * (float)m1;
            for (int l = 0; l < 32; l += 16) {
                __m128i q = bytes16(block->qs + 32 * pair + l), high = bytes16(block->qh + l);
                __m128i q0 = _mm_or_si128(low_nibbles(q), bytes_with_bit(high, 2 * pair, 16));
                __m128i q1 = _mm_or_si128(high_nibbles(q), bytes_with_bit(high, 2 * pair + 1, 16));
                q_store16_shifted(out + l, q0, scale0, -min0);
                q_store16_shifted(out + 32 + l, q1, scale1, -min1);
            }
        }
    }
}

static void dequantize_q6_k(const void *data, float *out, size_t columns) {
    const cso_block_q6_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d);
        for (int group = 0; group < 16; group++, out += 16) {
            int h = group / 8, k = group % 8 / 2, offset = 16 * (group % 2);
            __m128i low = bytes16(block->ql + 64 * h + 32 * (k % 2) + offset);
            __m128i high = bit_pairs(bytes16(block->qh + 32 * h + offset), 2 * k);
            __m128i q = _mm_or_si128(k / 2 ? high_nibbles(low) : low_nibbles(low), _mm_slli_epi16(high, 4));
            q_store16(out, minus(q, 32), d * (float)block->scales[group]);
        }
    }
}

static void dequantize_iq4_nl(const void *data, float *out, size_t columns) {
    const cso_block_iq4_nl *block = data;
    __m128i levels = bytes16(cso_iq4_levels);
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = half(block->d);
        __m128i q = bytes16(block->qs);
        q_store16(out, _mm_shuffle_epi8(levels, low_nibbles(q)), d);
        q_store16(out + 16, _mm_shuffle_epi8(levels, high_nibbles(q)), d);
    }
}

static void dequantize_iq4_xs(const void *data, float *out, size_t columns) {
    const cso_block_iq4_xs *block = data;
    __m128i levels = bytes16(cso_iq4_levels);
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = half(block->d);
        int high = cso_block_u16(block->scales_h);
        for (int group = 0; group < 8; group++, out += 32) {
            int s = (block->scales_l[group / 2] >> 4 * (group % 2) & 15) | (high >> 2 * group & 3) << 4;
            float scale = d * (float)(s - 32);
            __m128i q = bytes16(block->qs + 16 * group);
            q_store16(out, _mm_shuffle_epi8(levels, low_nibbles(q)), scale);
            q_store16(out + 16, _mm_shuffle_epi8(levels, high_nibbles(q)), scale);
        }
    }
}

static void fill_quant(cso_kernels *table) {
    table->dequantize_row[CSO_F16] = dequantize_f16;
    table->dequantize_row[CSO_BF16] = dequantize_bf16;
    table->dequantize_row[CSO_Q4_0] = dequantize_q4_0;
    table->dequantize_row[CSO_Q4_1] = dequantize_q4_1;
    table->dequantize_row[CSO_Q5_0] = dequantize_q5_0;
    table->dequantize_row[CSO_Q5_1] = dequantize_q5_1;
    table->dequantize_row[CSO_Q8_0] = dequantize_q8_0;
    table->dequantize_row[CSO_Q2_K] = dequantize_q2_k;
    table->dequantize_row[CSO_Q3_K] = dequantize_q3_k;
    table->dequantize_row[CSO_Q4_K] = dequantize_q4_k;
    table->dequantize_row[CSO_Q5_K] = dequantize_q5_k;
    table->dequantize_row[CSO_Q6_K] = dequantize_q6_k;
    table->dequantize_row[CSO_IQ4_NL] = dequantize_iq4_nl;
    table->dequantize_row[CSO_IQ4_XS] = dequantize_iq4_xs;
}
