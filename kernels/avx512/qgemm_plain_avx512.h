/* qgemm_plain_avx512.h - sixteen sums in one register for simd/qgemm_plain_body.h. */
#ifndef CSO_KERNELS_QGEMM_PLAIN_AVX512_H
#define CSO_KERNELS_QGEMM_PLAIN_AVX512_H

#include "../qgemm/qgemm_tile.h"
#include "../simd/qgemm_inline.h"

#include <immintrin.h>

/* Columns and rows of one pass over W; MANY columns where x has one row: more sums at once hide the latency of an addition. */
enum { PV_COLUMNS = 4, PV_ROWS = 4, PV_MANY = 8 };
typedef __m512 pv_sums;

QV_INLINE pv_sums pv_zero(void) {
    return _mm512_setzero_ps();
}

/* count <= 16 numbers, and zeros. */
QV_INLINE pv_sums pv_weights(const cso_dtype dtype, const uint8_t *p, int count) {
    const __mmask16 lanes = (__mmask16)((1u << count) - 1);
    if (dtype == CSO_F32)
        return count == 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(lanes, p);
    __m256i halves = count == 16 ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(lanes, p);
    if (dtype == CSO_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

QV_INLINE pv_sums pv_fma(pv_sums a, pv_sums b, pv_sums c) {
    return _mm512_fmadd_ps(a, b, c);
}

QV_INLINE float pv_total(pv_sums sums) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
