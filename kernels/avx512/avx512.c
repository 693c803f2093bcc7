/* avx512.c - the kernels with AVX-512 F, BW, DQ and VL, and with what AVX2 processors have. */
#include "qgemm_plain_avx512.h"
#include "vec_avx512.h"

#include "../simd/few_rows_body.h"
#include "../simd/ops_body.h"
#include "../simd/qgemm_plain_body.h"
#include "../simd/quant_body.h"
#include "../simd/quantize_body.h"

/* The instruction for this, where processors have it, would flush subnormals. */
static void round_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 lanes = n - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (n - i)) - 1);
        __m512 value = _mm512_maskz_loadu_ps(lanes, x + i);
        __m512i bits = _mm512_castps_si512(value), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000)); /* stays a NaN */
        _mm256_mask_storeu_epi16(out + i, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
    }
}

static void fill(cso_kernels *table) {
    fill_ops(table);
    fill_few_rows(table);
    fill_quant(table);
    fill_quantize(table);
    fill_qgemm_plain(table);
    table->round_bf16 = round_bf16;
}

const cso_variant cso_variant_avx512 = {"avx512", CSO_VARIANT_NEEDS, fill};
