/* qgemm_avx512vnni.h - vectors of 16 columns for simd/qgemm_body.h. */
#ifndef CSO_KERNELS_QGEMM_AVX512VNNI_H
#define CSO_KERNELS_QGEMM_AVX512VNNI_H

#include "../qgemm/qgemm_tile.h"
#include "../simd/qgemm_inline.h"

#include <immintrin.h>
#include <string.h>

enum {
    QV_LANES = 16,
    QV_ROWS = 16, /* at most, of one pass over a panel: 16 sums, 8 registers of weights and what else a block needs fit in 32 */
    QV_SIGNED = 0
};
typedef __m512i qv_int;
typedef __m512 qv_float;

QV_INLINE qv_int qv_load(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}
QV_INLINE qv_int qv_zero(void) {
    return _mm512_setzero_si512();
}
QV_INLINE qv_float qv_no_float(void) {
    return _mm512_setzero_ps();
}
QV_INLINE qv_int qv_bytes(char byte) {
    return _mm512_set1_epi8(byte);
}
QV_INLINE qv_int qv_each(const void *p) {
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm512_set1_epi32(bits);
}
QV_INLINE qv_float qv_same(const float *p) {
    return _mm512_set1_ps(*p);
}
QV_INLINE qv_int qv_and(qv_int a, qv_int b) {
    return _mm512_and_si512(a, b);
}
/* a | x & mask */
QV_INLINE qv_int qv_and_or(qv_int a, qv_int x, qv_int mask) {
    return _mm512_ternarylogic_epi32(a, x, mask, 0xf8);
}
QV_INLINE qv_int qv_shift(qv_int x, int left) {
    return left > 0 ? _mm512_slli_epi16(x, (unsigned)left) : left < 0 ? _mm512_srli_epi16(x, (unsigned)-left) : x;
}
QV_INLINE qv_int qv_look_up(const uint8_t table[16], qv_int index) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), index);
}
QV_INLINE qv_float qv_halves(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
QV_INLINE qv_float qv_unsigned(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
QV_INLINE qv_float qv_signed(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
QV_INLINE qv_float qv_low_nibbles(const uint8_t *p) {
    __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtepi32_ps(_mm512_and_si512(bytes, _mm512_set1_epi32(15)));
}
QV_INLINE qv_float qv_high_nibbles(const uint8_t *p) {
    __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(bytes, 4));
}
QV_INLINE qv_float qv_mul(qv_float a, qv_float b) {
    return _mm512_mul_ps(a, b);
}
QV_INLINE qv_float qv_fma(qv_float a, qv_float b, qv_float c) {
    return _mm512_fmadd_ps(a, b, c);
}
QV_INLINE qv_float qv_fnma(qv_float a, qv_float b, qv_float c) {
    return _mm512_fnmadd_ps(a, b, c);
}
QV_INLINE qv_float qv_to_float(qv_int x) {
    return _mm512_cvtepi32_ps(x);
}
QV_INLINE void qv_store(float *out, qv_float y, size_t columns) {
    _mm512_mask_storeu_ps(out, (__mmask16)(columns >= 16 ? 0xffff : (1u << columns) - 1), y);
}

/* sums[r] += the dot products of u[steps] with the values of row r < n. An instruction takes several cycles, so the rows take
 * turns; fewer than four rows get a second sum each. */
QV_INLINE void qv_dots(int largest, int n, int steps, qv_int *sums, const qv_int *u, const int8_t *values) {
    qv_int others[4];
    (void)largest;
    QV_UNROLL(4)
    for (int r = 0; r < n; r++)
        others[r] = qv_zero();
    QV_UNROLL(8)
    for (int i = 0; i < steps; i++) {
        QV_UNROLL(4)
        for (int r = 0; r < n; r++) {
            qv_int x = qv_each(values + 32 * r + 4 * i);
            if (n < 4 && i % 2)
                others[r] = _mm512_dpbusd_epi32(others[r], u[i], x);
            else
                sums[r] = _mm512_dpbusd_epi32(sums[r], u[i], x);
        }
    }
    QV_UNROLL(4)
    for (int r = 0; r < n; r++)
        if (n < 4)
            sums[r] = _mm512_add_epi32(sums[r], others[r]);
}

/* Bits as a float has them without its sign: their order is that of the numbers, and NaN is the largest. */
QV_INLINE __m512i magnitude(__m512 x) {
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

static void quantize_row(const float *x, const cso_qgemm_row *to) {
    for (size_t block = 0; block < to->blocks; block++) {
        __m512 a = _mm512_loadu_ps(x + 32 * block), b = _mm512_loadu_ps(x + 32 * block + 16);
        cso_qgemm_scale scale = cso_qgemm_scale_of((uint32_t)_mm512_reduce_max_epu32(_mm512_max_epu32(magnitude(a), magnitude(b))));
        __m512 inverse = _mm512_set1_ps(scale.inverse);
        /* 0 where the scale is NaN: a product of NaN or Inf would not be an integer. */
        __mmask16 all = scale.inverse > 0 ? 0xffff : 0;
        __m512i p = _mm512_maskz_cvtps_epi32(all, _mm512_mul_ps(a, inverse));
        __m512i q = _mm512_maskz_cvtps_epi32(all, _mm512_mul_ps(b, inverse));
        int8_t *values = to->values + 32 * to->rows * block;
        _mm_storeu_si128((__m128i *)values, _mm512_cvtepi32_epi8(p));
        _mm_storeu_si128((__m128i *)(values + 16), _mm512_cvtepi32_epi8(q));
        to->scales[to->rows * block] = scale.d;
        to->sums[to->rows * 2 * block] = (int16_t)_mm512_reduce_add_epi32(p);
        to->sums[to->rows * (2 * block + 1)] = (int16_t)_mm512_reduce_add_epi32(q);
    }
}

#endif
