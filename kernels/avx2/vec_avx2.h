/* vec_avx2.h - vectors of 8 floats for the bodies in kernels/simd. */
#ifndef CSO_KERNELS_VEC_AVX2_H
#define CSO_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef __m256 vf;
typedef __m256 vmask; /* all bits of a chosen lane set */
typedef __m256d vd;
enum { LANES = 8 };

static inline vf v_set(float x) {
    return _mm256_set1_ps(x);
}
static inline vf v_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf x) {
    _mm256_storeu_ps(p, x);
}
static inline vf v_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
static inline vf v_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
} /* ab + c */
static inline vf v_fnma(vf a, vf b, vf c) {
    return _mm256_fnmadd_ps(a, b, c);
} /* c - ab */
static inline vf v_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
} /* b if one is NaN */
static inline vf v_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
} /* b if one is NaN */
static inline vf v_round(vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vf v_sign_of(vf magnitude, vf sign) {
    return _mm256_or_ps(v_abs(magnitude), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}

static inline vmask v_le(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
static inline vmask v_is_nan(vf a) {
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
static inline vmask v_no_lanes(void) {
    return _mm256_setzero_ps();
}
static inline vmask v_or(vmask a, vmask b) {
    return _mm256_or_ps(a, b);
}
static inline int v_any(vmask m) {
    return _mm256_movemask_ps(m) != 0;
}
static inline vf v_choose(vmask m, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, m);
}

/* x 2^n for whole n in [-130, 130]; by two factors, since 2^128 is no float. */
static inline vf v_scale_by_power(vf x, vf n) {
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    __m256i bias = _mm256_set1_epi32(127);
    vf first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vf second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return v_mul(v_mul(x, first), second);
}

/* The first n < 8 lanes; those not loaded are zero, those not stored keep the memory. */
static inline __m256i v_first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load_first(const float *p, size_t n) {
    return _mm256_maskload_ps(p, v_first(n));
}
static inline void v_store_first(float *p, vf x, size_t n) {
    _mm256_maskstore_ps(p, v_first(n), x);
}
static inline vf v_keep_first(vf x, size_t n) {
    return _mm256_and_ps(x, _mm256_castsi256_ps(v_first(n)));
}

static inline vd vd_zero(void) {
    return _mm256_setzero_pd();
}
static inline vd vd_add(vd a, vd b) {
    return _mm256_add_pd(a, b);
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return _mm256_fmadd_pd(a, b, c);
}
static inline vd vd_low(vf x) {
    return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}
static inline vd vd_high(vf x) {
    return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}
static inline double vd_sum(vd x) {
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(pair) + _mm_cvtsd_f64(_mm_unpackhi_pd(pair, pair));
}

/* 8 numbers in f16, and back, rounded to nearest even. */
static inline vf v_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline void v_store_f16(uint16_t *p, vf x) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* The sum of all lanes, halves first. */
static inline float v_sum(vf x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void v_transpose(vf r[LANES]) {
    vf t[8], u[8];
    for (int i = 0; i < 8; i += 2) { /* pairs of rows: lanes a0 b0 a1 b1, a2 b2 a3 b3 */
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* fours of rows: one column each in 128 bits */
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* --- 16 small integers to floats, for the dequantizers --- */

static inline void q_store16(float *out, __m128i bytes, float scale) {
    __m256 s = _mm256_set1_ps(scale);
    __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
    _mm256_storeu_ps(out, _mm256_mul_ps(low, s));
    _mm256_storeu_ps(out + 8, _mm256_mul_ps(high, s));
}

/* scale * byte + shift, rounded twice as in plain C. */
static inline void q_store16_shifted(float *out, __m128i bytes, float scale, float shift) {
    __m256 s = _mm256_set1_ps(scale), t = _mm256_set1_ps(shift);
    __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(low, s), t));
    _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(high, s), t));
}

static inline void q_store16_f16(float *out, const uint8_t *halves) {
    _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)halves)));
    _mm256_storeu_ps(out + 8, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(halves + 16))));
}

static inline void q_store16_bf16(float *out, const uint8_t *halves) {
    for (int i = 0; i < 2; i++) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(halves + 16 * i)));
        _mm256_storeu_ps(out + 8 * i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
}

#endif
