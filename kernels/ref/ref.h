/* ref.h - the plain C kernels; what each computes is said in kernels.h and dtype.h. Elementwise results are computed in double
 * and rounded once, sums are double: this is what the other variants are measured against. */
#ifndef CSO_KERNELS_REF_H
#define CSO_KERNELS_REF_H

#include "../kernels.h"

#include <stddef.h>
#include <stdint.h>

struct cso_qgemm_plain;
struct cso_qgemm_row;
struct cso_qgemm_tile;

float cso_ref_rmsnorm_forward(float *y, const float *x, const float *weight, size_t n, float eps);
void cso_ref_rmsnorm_backward(float *dx, const float *dy, const float *x, const float *weight, float rstd, size_t n);

void cso_ref_rope(float *x, const float *cosine, const float *sine, size_t heads, size_t head_dim, int inverse);

void cso_ref_swiglu_forward(float *act, const float *gate, const float *up, size_t n);
void cso_ref_swiglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n);
void cso_ref_geglu_forward(float *act, const float *gate, const float *up, size_t n);
void cso_ref_geglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n);

void cso_ref_softcap(float *x, size_t n, float cap);
void cso_ref_softcap_backward(float *dx, const float *capped, size_t n, float cap);
float cso_ref_max(const float *x, size_t n);
double cso_ref_exp_sum(float *x, size_t n, float shift);
double cso_ref_exp_sum_only(const float *x, size_t n, float shift);

double cso_ref_dot(const float *a, const float *b, size_t n);
void cso_ref_add(float *y, const float *x, size_t n);
void cso_ref_axpy(float *y, const float *x, float a, size_t n);
void cso_ref_scale(float *y, float a, size_t n);

void cso_ref_dots(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *w, size_t ldw, size_t n, size_t k,
                  int accumulate);
void cso_ref_mix(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *b, size_t ldb, size_t n, size_t k,
                 int accumulate, const void *next);

void cso_ref_adamw(float *p, float *m, float *v, const float *g, size_t n, double g_scale, double lr, double beta1, double beta2,
                   double eps, double wd, double c1, double c2);

void cso_ref_mix_f16(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const uint16_t *b, size_t ldb, size_t n, size_t k,
                     int accumulate, const void *next);
void cso_ref_softmax_step(float *x, size_t ldx, size_t rows, size_t n, float *m, double *l, float *out, size_t e);
void cso_ref_round_f16(uint16_t *out, const float *x, size_t n);
void cso_ref_round_bf16(uint16_t *out, const float *x, size_t n);

void cso_ref_dequantize_f32(const void *data, float *out, size_t columns);
void cso_ref_dequantize_f16(const void *data, float *out, size_t columns);
void cso_ref_dequantize_bf16(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q4_0(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q4_1(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q5_0(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q5_1(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q8_0(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q2_k(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q3_k(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q4_k(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q5_k(const void *data, float *out, size_t columns);
void cso_ref_dequantize_q6_k(const void *data, float *out, size_t columns);
void cso_ref_dequantize_iq4_nl(const void *data, float *out, size_t columns);
void cso_ref_dequantize_iq4_xs(const void *data, float *out, size_t columns);

void cso_ref_fill_quantize(cso_kernels *table);

void cso_ref_qgemm_f32(const struct cso_qgemm_plain *tile);
void cso_ref_qgemm_f16(const struct cso_qgemm_plain *tile);
void cso_ref_qgemm_bf16(const struct cso_qgemm_plain *tile);
void cso_ref_quantize_row(const float *x, const struct cso_qgemm_row *to);
void cso_ref_qgemm_q4_0(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q4_1(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q5_0(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q5_1(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q8_0(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q2_k(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q3_k(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q4_k(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q5_k(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_q6_k(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_iq4_nl(const struct cso_qgemm_tile *tile);
void cso_ref_qgemm_iq4_xs(const struct cso_qgemm_tile *tile);

#endif
