/* ref.c - the kernels in plain C: every entry of the table. */
#include "ref.h"
#include "../variants.h"

/* Products of few rows, and what decoding does with them. */
static void fill_few_rows(cso_kernels *table) {
    table->dots = cso_ref_dots;
    table->mix = cso_ref_mix;
    table->mix_f16 = cso_ref_mix_f16;
    table->softmax_step = cso_ref_softmax_step;
    table->round_f16 = cso_ref_round_f16;
}

/* Products in integers. */
static void fill_qgemm(cso_kernels *table) {
    table->quantize_row = cso_ref_quantize_row;
    table->qgemm_plain[CSO_F32] = cso_ref_qgemm_f32;
    table->qgemm_plain[CSO_F16] = cso_ref_qgemm_f16;
    table->qgemm_plain[CSO_BF16] = cso_ref_qgemm_bf16;
    table->qgemm_tile[CSO_Q4_0] = cso_ref_qgemm_q4_0;
    table->qgemm_tile[CSO_Q4_1] = cso_ref_qgemm_q4_1;
    table->qgemm_tile[CSO_Q5_0] = cso_ref_qgemm_q5_0;
    table->qgemm_tile[CSO_Q5_1] = cso_ref_qgemm_q5_1;
    table->qgemm_tile[CSO_Q8_0] = cso_ref_qgemm_q8_0;
    table->qgemm_tile[CSO_Q2_K] = cso_ref_qgemm_q2_k;
    table->qgemm_tile[CSO_Q3_K] = cso_ref_qgemm_q3_k;
    table->qgemm_tile[CSO_Q4_K] = cso_ref_qgemm_q4_k;
    table->qgemm_tile[CSO_Q5_K] = cso_ref_qgemm_q5_k;
    table->qgemm_tile[CSO_Q6_K] = cso_ref_qgemm_q6_k;
    table->qgemm_tile[CSO_IQ4_NL] = cso_ref_qgemm_iq4_nl;
    table->qgemm_tile[CSO_IQ4_XS] = cso_ref_qgemm_iq4_xs;
}

static void fill(cso_kernels *table) {
    *table = (cso_kernels){
        .name = table->name,
        .rmsnorm_forward = cso_ref_rmsnorm_forward,
        .rmsnorm_backward = cso_ref_rmsnorm_backward,
        .rope = cso_ref_rope,
        .swiglu_forward = cso_ref_swiglu_forward,
        .swiglu_backward = cso_ref_swiglu_backward,
        .geglu_forward = cso_ref_geglu_forward,
        .geglu_backward = cso_ref_geglu_backward,
        .softcap = cso_ref_softcap,
        .softcap_backward = cso_ref_softcap_backward,
        .max = cso_ref_max,
        .exp_sum = cso_ref_exp_sum,
        .exp_sum_only = cso_ref_exp_sum_only,
        .dot = cso_ref_dot,
        .add = cso_ref_add,
        .axpy = cso_ref_axpy,
        .scale = cso_ref_scale,
        .adamw = cso_ref_adamw,
        .round_bf16 = cso_ref_round_bf16,
        .dequantize_row =
            {
                [CSO_F32] = cso_ref_dequantize_f32,
                [CSO_F16] = cso_ref_dequantize_f16,
                [CSO_BF16] = cso_ref_dequantize_bf16,
                [CSO_Q4_0] = cso_ref_dequantize_q4_0,
                [CSO_Q4_1] = cso_ref_dequantize_q4_1,
                [CSO_Q5_0] = cso_ref_dequantize_q5_0,
                [CSO_Q5_1] = cso_ref_dequantize_q5_1,
                [CSO_Q8_0] = cso_ref_dequantize_q8_0,
                [CSO_Q2_K] = cso_ref_dequantize_q2_k,
                [CSO_Q3_K] = cso_ref_dequantize_q3_k,
                [CSO_Q4_K] = cso_ref_dequantize_q4_k,
                [CSO_Q5_K] = cso_ref_dequantize_q5_k,
                [CSO_Q6_K] = cso_ref_dequantize_q6_k,
                [CSO_IQ4_NL] = cso_ref_dequantize_iq4_nl,
                [CSO_IQ4_XS] = cso_ref_dequantize_iq4_xs,
            },
    };
    fill_few_rows(table);
    fill_qgemm(table);
    cso_ref_fill_quantize(table);
}

const cso_variant cso_variant_ref = {"ref", 0, fill};
