/* gemm_bf16_avx512.c - the inner part of matrix products in bf16; compiled with this instruction set's flags
 * (CMakeLists.txt). */
#include "vec_avx512.h"

#include "../variants.h"

/* 16 numbers rounded to bf16 (to nearest even, a NaN stays one), in the upper halves. */
static inline __m512i round_up_half(__m512 x) {
    __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
}

static inline vf make_unit(vf k, vf k_plus_1) {
    __m512i low = _mm512_srli_epi32(round_up_half(k), 16);
    __m512i high = _mm512_and_si512(round_up_half(k_plus_1), _mm512_set1_epi32((int)0xffff0000u));
    return _mm512_castsi512_ps(_mm512_or_si512(low, high));
}

/* Two products to each sum; subnormals count as zero. */
static inline vf add_products(vf x, vf w, vf sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w);
}

#define MICRO_ROWS 12
#define UNIT       2
#define CSO_PACKED cso_avx512_packed_bf16
#include "../simd/gemm_body.h"

void cso_avx512_round_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 lanes = n - i >= 16 ? (__mmask16)0xffff : v_first(n - i);
        __m512i halves = _mm512_srli_epi32(round_up_half(_mm512_maskz_loadu_ps(lanes, x + i)), 16);
        _mm256_mask_storeu_epi16(out + i, lanes, _mm512_cvtepi32_epi16(halves));
    }
}
