/* qgemm_plain_avx2.h - sixteen sums in two registers for simd/qgemm_plain_body.h. */
#ifndef CSO_KERNELS_QGEMM_PLAIN_AVX2_H
#define CSO_KERNELS_QGEMM_PLAIN_AVX2_H

#include "../qgemm/qgemm_tile.h"
#include "../simd/qgemm_inline.h"

#include <immintrin.h>

/* Columns and rows of one pass over W; MANY columns where x has one row: more sums at once hide the latency of an addition. */
enum { PV_COLUMNS = 2, PV_ROWS = 2, PV_MANY = 4 };
typedef struct pv_sums {
    __m256 low, up;
} pv_sums;

QV_INLINE pv_sums pv_zero(void) {
    return (pv_sums){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

QV_INLINE __m256 pv_eight(const cso_dtype dtype, const uint8_t *p) {
    if (dtype == CSO_F32)
        return _mm256_loadu_ps((const float *)(const void *)p);
    __m128i halves = _mm_loadu_si128((const __m128i *)p);
    if (dtype == CSO_F16)
        return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/* count <= 16 numbers, and zeros. */
QV_INLINE pv_sums pv_weights(const cso_dtype dtype, const uint8_t *p, int count) {
    const size_t bytes = dtype == CSO_F32 ? 4 : 2;
    if (count == 16)
        return (pv_sums){pv_eight(dtype, p), pv_eight(dtype, p + 8 * bytes)};
    uint8_t some[64] = {0};
    memcpy(some, p, (size_t)count * bytes);
    return (pv_sums){pv_eight(dtype, some), pv_eight(dtype, some + 8 * bytes)};
}

QV_INLINE pv_sums pv_fma(pv_sums a, pv_sums b, pv_sums c) {
    return (pv_sums){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.up, b.up, c.up)};
}

QV_INLINE float pv_total(pv_sums sums) {
    __m256 eight = _mm256_add_ps(sums.low, sums.up);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#endif
