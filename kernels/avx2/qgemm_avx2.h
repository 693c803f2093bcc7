/* qgemm_avx2.h - vectors of 8 columns for simd/qgemm_body.h, with AVX2 and, where the file is compiled for it, with AVX-VNNI. */
#ifndef CSO_KERNELS_QGEMM_AVX2_H
#define CSO_KERNELS_QGEMM_AVX2_H

#include "../qgemm/qgemm_tile.h"
#include "../simd/qgemm_inline.h"

#include <immintrin.h>

enum {
    QV_LANES = 8,
    QV_ROWS = 4, /* 4 sums, 4 integer sums and what else is in use fit in 16 registers; the weights wait in cache */
#ifdef __AVXVNNI__
    QV_SIGNED = 0
#else
    QV_SIGNED = 1
#endif
};
typedef __m256i qv_int;
typedef __m256 qv_float;

QV_INLINE qv_int qv_load(const uint8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
QV_INLINE qv_int qv_zero(void) {
    return _mm256_setzero_si256();
}
QV_INLINE qv_float qv_no_float(void) {
    return _mm256_setzero_ps();
}
QV_INLINE qv_int qv_bytes(char byte) {
    return _mm256_set1_epi8(byte);
}
QV_INLINE qv_int qv_each(const void *p) {
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_set1_epi32(bits);
}
QV_INLINE qv_float qv_same(const float *p) {
    return _mm256_set1_ps(*p);
}
QV_INLINE qv_int qv_and(qv_int a, qv_int b) {
    return _mm256_and_si256(a, b);
}
/* a | x & mask */
QV_INLINE qv_int qv_and_or(qv_int a, qv_int x, qv_int mask) {
    return _mm256_or_si256(a, _mm256_and_si256(x, mask));
}
/* Lanes of 16 bits, shifted to the left, or where `left` is negative to the right. */
QV_INLINE qv_int qv_shift(qv_int x, int left) {
    return left > 0 ? _mm256_slli_epi16(x, left) : left < 0 ? _mm256_srli_epi16(x, -left) : x;
}
QV_INLINE qv_int qv_look_up(const uint8_t table[16], qv_int index) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), index);
}
QV_INLINE qv_float qv_halves(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
QV_INLINE qv_float qv_unsigned(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
QV_INLINE qv_float qv_signed(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
QV_INLINE qv_float qv_low_nibbles(const uint8_t *p) {
    __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_cvtepi32_ps(_mm256_and_si256(bytes, _mm256_set1_epi32(15)));
}
QV_INLINE qv_float qv_high_nibbles(const uint8_t *p) {
    __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_cvtepi32_ps(_mm256_srli_epi32(bytes, 4));
}
QV_INLINE qv_float qv_mul(qv_float a, qv_float b) {
    return _mm256_mul_ps(a, b);
}
QV_INLINE qv_float qv_fma(qv_float a, qv_float b, qv_float c) {
    return _mm256_fmadd_ps(a, b, c);
}
QV_INLINE qv_float qv_fnma(qv_float a, qv_float b, qv_float c) {
    return _mm256_fnmadd_ps(a, b, c);
}
QV_INLINE qv_float qv_to_float(qv_int x) {
    return _mm256_cvtepi32_ps(x);
}
QV_INLINE void qv_store(float *out, qv_float y, size_t columns) {
    if (columns >= 8) {
        _mm256_storeu_ps(out, y);
        return;
    }
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)columns), lane), y);
}

/* sums[r] += the dot products of u[steps] with the values of row r < n; no u is above `largest`. */
QV_INLINE void qv_dots(int largest, int n, int steps, qv_int *sums, const qv_int *u, const int8_t *values) {
#ifdef __AVXVNNI__
    (void)largest;
    QV_UNROLL(8)
    for (int i = 0; i < steps; i++) {
        QV_UNROLL(4)
        for (int r = 0; r < n; r++)
            sums[r] = _mm256_dpbusd_avx_epi32(sums[r], u[i], qv_each(values + 32 * r + 4 * i));
    }
#else
    /* Pairs of products are summed in 16 bits, which hold this many pairs of u * +-127. 8-bit values are too large even for one:
     * there the weight's sign goes to the row's value, and |w| <= 128. */
    const __m256i ones = _mm256_set1_epi16(1);
    const int bound = 32767 / (2 * 127 * largest), most = bound < 1 ? 1 : bound < steps ? bound : steps;
    QV_UNROLL(8)
    for (int i = 0; i < steps; i += most) {
        QV_UNROLL(4)
        for (int r = 0; r < n; r++) {
            __m256i pairs = _mm256_setzero_si256();
            QV_UNROLL(8)
            for (int k = i; k < i + most; k++) {
                __m256i x = qv_each(values + 32 * r + 4 * k), w = u[k];
                if (largest == 255) {
                    w = _mm256_xor_si256(w, _mm256_set1_epi8(-128)); /* u - 128 */
                    x = _mm256_sign_epi8(x, w);
                    w = _mm256_abs_epi8(w);
                }
                __m256i product = _mm256_maddubs_epi16(w, x);
                pairs = k == i ? product : _mm256_add_epi16(pairs, product);
            }
            sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, ones));
        }
    }
#endif
}

/* Of the bits that floats have without their signs: their order is that of the numbers, and NaN is the largest. */
QV_INLINE uint32_t largest_magnitude(const __m256 x[4]) {
    const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    QV_UNROLL(4)
    for (int i = 0; i < 4; i++)
        most = _mm256_max_epu32(most, _mm256_and_si256(_mm256_castps_si256(x[i]), no_sign));
    __m128i half = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(half);
}

/* Of 16 bytes. */
QV_INLINE int16_t sum_of_bytes(__m128i bytes) {
    __m128i flipped = _mm_xor_si128(bytes, _mm_set1_epi8(-128)); /* + 128 */
    __m128i sums = _mm_sad_epu8(flipped, _mm_setzero_si128());
    return (int16_t)(_mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128);
}

static void quantize_row(const float *from, const cso_qgemm_row *to) {
    for (size_t block = 0; block < to->blocks; block++) {
        __m256 x[4];
        __m256i q[4];
        QV_UNROLL(4)
        for (int i = 0; i < 4; i++)
            x[i] = _mm256_loadu_ps(from + 32 * block + 8 * i);
        cso_qgemm_scale scale = cso_qgemm_scale_of(largest_magnitude(x));
        /* 0 where the scale is NaN: a product of NaN or Inf would not be an integer. */
        __m256i all = _mm256_set1_epi32(scale.inverse > 0 ? -1 : 0);
        QV_UNROLL(4)
        for (int i = 0; i < 4; i++)
            q[i] = _mm256_and_si256(all, _mm256_cvtps_epi32(_mm256_mul_ps(x[i], _mm256_set1_ps(scale.inverse))));
        /* Packing goes by halves of a register: words 0 4 1 5 2 6 3 7 come out. */
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(to->values + 32 * to->rows * block), bytes);
        to->scales[to->rows * block] = scale.d;
        to->sums[to->rows * 2 * block] = sum_of_bytes(_mm256_castsi256_si128(bytes));
        to->sums[to->rows * (2 * block + 1)] = sum_of_bytes(_mm256_extracti128_si256(bytes, 1));
    }
}

#endif
