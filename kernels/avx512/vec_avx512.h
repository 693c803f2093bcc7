/* vec_avx512.h - vectors of 16 floats for the bodies in kernels/simd. */
#ifndef CSO_KERNELS_VEC_AVX512_H
#define CSO_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef __m512 vf;
typedef __mmask16 vmask;
typedef __m512d vd;
enum { LANES = 16 };

static inline vf v_set(float x) {
    return _mm512_set1_ps(x);
}
static inline vf v_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf x) {
    _mm512_storeu_ps(p, x);
}
static inline vf v_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
static inline vf v_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
static inline vf v_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
} /* ab + c */
static inline vf v_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
} /* c - ab */
static inline vf v_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
} /* b if one is NaN */
static inline vf v_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
} /* b if one is NaN */
static inline vf v_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_abs(vf a) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
static inline vf v_sign_of(vf magnitude, vf sign) {
    return _mm512_or_ps(v_abs(magnitude), _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}

static inline vmask v_le(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline vmask v_is_nan(vf a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline vmask v_no_lanes(void) {
    return 0;
}
static inline vmask v_or(vmask a, vmask b) {
    return (vmask)(a | b);
}
static inline int v_any(vmask m) {
    return m != 0;
}
static inline vf v_choose(vmask m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}

static inline vf v_scale_by_power(vf x, vf n) {
    return _mm512_scalef_ps(x, n);
} /* x 2^n */

/* The first n < 16 lanes; those not loaded are zero, those not stored keep the memory. */
static inline __mmask16 v_first(size_t n) {
    return (__mmask16)((1u << n) - 1);
}
static inline vf v_load_first(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(v_first(n), p);
}
static inline void v_store_first(float *p, vf x, size_t n) {
    _mm512_mask_storeu_ps(p, v_first(n), x);
}
static inline vf v_keep_first(vf x, size_t n) {
    return _mm512_maskz_mov_ps(v_first(n), x);
}

static inline vd vd_zero(void) {
    return _mm512_setzero_pd();
}
static inline vd vd_add(vd a, vd b) {
    return _mm512_add_pd(a, b);
}
static inline vd vd_fma(vd a, vd b, vd c) {
    return _mm512_fmadd_pd(a, b, c);
}
static inline vd vd_low(vf x) {
    return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}
static inline vd vd_high(vf x) {
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}
static inline double vd_sum(vd x) {
    __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(pair) + _mm_cvtsd_f64(_mm_unpackhi_pd(pair, pair));
}

/* 16 numbers in f16, and back, rounded to nearest even. */
static inline vf v_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static inline void v_store_f16(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* The sum of all lanes, halves first. */
static inline float v_sum(vf x) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void v_transpose(vf r[LANES]) {
    vf t[16], u[16];
    for (int i = 0; i < 16; i += 2) { /* pairs of rows: lanes a0 b0 a1 b1, a2 b2 a3 b3 in each 128 bits */
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* fours of rows: column c of quarter q in 128 bits q of u[i + c] */
        u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) { /* a 4 x 4 transposition of 128-bit quarters */
        vf even01 = _mm512_shuffle_f32x4(u[c], u[c + 4], 0x88), odd01 = _mm512_shuffle_f32x4(u[c], u[c + 4], 0xdd);
        vf even23 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0x88), odd23 = _mm512_shuffle_f32x4(u[c + 8], u[c + 12], 0xdd);
        r[c] = _mm512_shuffle_f32x4(even01, even23, 0x88);
        r[c + 4] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
        r[c + 8] = _mm512_shuffle_f32x4(even01, even23, 0xdd);
        r[c + 12] = _mm512_shuffle_f32x4(odd01, odd23, 0xdd);
    }
}

/* --- 16 small integers to floats, for the dequantizers --- */

static inline void q_store16(float *out, __m128i bytes, float scale) {
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), _mm512_set1_ps(scale)));
}

/* scale * byte + shift, rounded twice as in plain C. */
static inline void q_store16_shifted(float *out, __m128i bytes, float scale, float shift) {
    __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), _mm512_set1_ps(scale));
    _mm512_storeu_ps(out, _mm512_add_ps(product, _mm512_set1_ps(shift)));
}

static inline void q_store16_f16(float *out, const uint8_t *halves) {
    _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)halves)));
}

static inline void q_store16_bf16(float *out, const uint8_t *halves) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)halves));
    _mm512_storeu_ps(out, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
}

#endif
