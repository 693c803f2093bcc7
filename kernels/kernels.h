/* kernels.h - the arithmetic of one thread, in variants of which a context chooses one at run time (context.h).
 *
 * A variant is a table of functions. The tables are filled with kernels/ref first, then overridden by kernels/avx2, avxvnni,
 * avx512 and avx512vnni as far as the CPU allows (variants.h). The environment variable CSO_KERNELS, one of these names, caps the
 * choice, which is how tests compare the variants. Callers cut parallel work into tasks.
 *
 * Letters used everywhere:
 *   T tokens (rows)   D hidden size   H heads        G key-value heads   E head_dim
 *   F feed-forward size   V vocabulary   R rank of LoRA
 * A `_forward` computes; a `_backward` takes the gradient of the output (d...) and adds to or sets gradients, as stated.
 */
#ifndef CSO_KERNELS_H
#define CSO_KERNELS_H

#include "dtype.h"

#include <stddef.h>
#include <stdint.h>

struct cso_qgemm_plain;
struct cso_qgemm_row;
struct cso_qgemm_tile;

typedef struct cso_kernels {
    const char *name; /* "ref", "avx2", ... */

    /* y[n] = x[n] * rstd * weight[n], rstd = 1/sqrt(mean(x^2) + eps); returns rstd. The sum of squares is kept in f64.
     * weight already includes Gemma's 1+w. Zhang & Sennrich 2019. y may be x. */
    float (*rmsnorm_forward)(float *y, const float *x, const float *weight, size_t n, float eps);
    /* dx[n] += gradient through rmsnorm_forward, given dy[n], its input x and the rstd it returned. */
    void (*rmsnorm_backward)(float *dx, const float *dy, const float *x, const float *weight, float rstd, size_t n);

    /* Rotates x (heads, E) in place: pairs (i, i + E/2) of each head by the angle whose cos[E/2], sin[E/2] are given
     * (Hugging Face's rotate_half form). inverse != 0 rotates back, which is the backward pass. */
    void (*rope)(float *x, const float *cosine, const float *sine, size_t heads, size_t head_dim, int inverse);

    /* act[n] = silu(gate[n]) * up[n], silu(x) = x / (1 + exp(-x)). */
    void (*swiglu_forward)(float *act, const float *gate, const float *up, size_t n);
    /* dgate[n], dup[n] set from dact[n]; dgate may be gate, dup may be up, dact may be either. */
    void (*swiglu_backward)(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n);
    /* act[n] = gelu_tanh(gate[n]) * up[n], the tanh form of Hendrycks & Gimpel 2016 (PyTorch's approximate="tanh"). */
    void (*geglu_forward)(float *act, const float *gate, const float *up, size_t n);
    void (*geglu_backward)(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n);

    /* x[n] = cap * tanh(x[n] / cap) in place. Its derivative is 1 - (x_capped / cap)^2. */
    void (*softcap)(float *x, size_t n, float cap);
    /* dx[n] *= 1 - (capped[n] / cap)^2. */
    void (*softcap_backward)(float *dx, const float *capped, size_t n, float cap);

    float (*max)(const float *x, size_t n); /* n > 0; NaN if there is one */
    /* x[n] = exp(x[n] - shift) in place; returns the sum. Arguments at or below -87 give 0; relative error under 3e-7. */
    double (*exp_sum)(float *x, size_t n, float shift);
    /* The sum of exp(x[n] - shift), x left as it is. */
    double (*exp_sum_only)(const float *x, size_t n, float shift);

    double (*dot)(const float *a, const float *b, size_t n);   /* summed in f64 or in f32 lanes folded into f64 */
    void (*add)(float *y, const float *x, size_t n);           /* y += x */
    void (*axpy)(float *y, const float *x, float a, size_t n); /* y += a x */
    void (*scale)(float *y, float a, size_t n);                /* y *= a */

    /* Products whose every number is summed in a fixed order, whatever m and n are: a row's bits are the same alone and among
     * others. y[m,n] with ldy floats between rows, and so on; with accumulate added to y.
     * dots: y[i,j] = sum over k of x[i,k] w[j,k].   mix: y[i,j] = sum over k, one after the other, of x[i,k] b[k,j].
     * mix_f16: b is in f16. next: memory of the size of b with its ldb that is read soon (NULL: none), which they fetch on the way. */
    void (*dots)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *w, size_t ldw, size_t n, size_t k,
                 int accumulate);
    void (*mix)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *b, size_t ldb, size_t n, size_t k,
                int accumulate, const void *next);
    void (*mix_f16)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const uint16_t *b, size_t ldb, size_t n, size_t k,
                    int accumulate, const void *next);

    /* A step of a running softmax, for each of `rows` rows x[n], n > 0, with ldx floats between them: m' = max(m, x),
     * x = exp(x - m'), l = l exp(m - m') + the sum of x, out[e] *= exp(m - m'). Before the first step m is -Inf, l and out are 0.
     * A number in x that is no number makes l one. The rows do not touch each other. */
    void (*softmax_step)(float *x, size_t ldx, size_t rows, size_t n, float *m, double *l, float *out, size_t e);

    /* AdamW (Loshchilov & Hutter 2019) on n parameters: p *= 1 - lr*wd; m, v, bias corrections c1 = 1 - beta1^t,
     * c2 = 1 - beta2^t; p -= lr * (m/c1) / (sqrt(v/c2) + eps). g is read times g_scale (clipping). The factors are double,
     * because 1 - beta2 in float would be wrong in its fifth digit. */
    void (*adamw)(float *p, float *m, float *v, const float *g, size_t n, double g_scale, double lr, double beta1, double beta2,
                  double eps, double wd, double c1, double c2);

    /* out[n] = x[n] rounded to bf16, with the bits of cso_f32_to_bf16. */
    void (*round_bf16)(uint16_t *out, const float *x, size_t n);

    /* out[n] = x[n] rounded to f16, with the bits of cso_f32_to_f16, but beyond its range +-65504. NaN stays NaN. */
    void (*round_f16)(uint16_t *out, const float *x, size_t n);

    /* dequantize_row[dtype](data, out, columns): see dtype.h. */
    void (*dequantize_row[CSO_DTYPE_COUNT])(const void *data, float *out, size_t columns);
    /* quantize[dtype](x, importance, out, columns): see cso_quantize_row. NULL for IQ4_NL and IQ4_XS. */
    void (*quantize[CSO_DTYPE_COUNT])(const float *x, const float *importance, void *out, size_t columns);

    /* Products with quantized rows (qgemm/qgemm_tile.h has layouts and arithmetic). All variants give the same bits.
     * A row x[32 * blocks] to integers: */
    void (*quantize_row)(const float *x, const struct cso_qgemm_row *to);
    /* A group of quantized rows times a panel of weights; NULL for F32, F16, BF16. */
    void (*qgemm_tile[CSO_DTYPE_COUNT])(const struct cso_qgemm_tile *tile);
    /* Rows in f32 times up to sixteen rows of weights of these three types; NULL for the others. */
    void (*qgemm_plain[CSO_DTYPE_COUNT])(const struct cso_qgemm_plain *tile);
} cso_kernels;

/* The tables are constants. Any thread may call these functions; the first call fills the tables.
 *
 * The fastest table that this CPU can use. most: none faster than the variant of this name; NULL, or a name that the CPU or the
 * build lacks: no limit. */
const cso_kernels *cso_kernels_choose(const char *most);
/* All that this CPU can use, one after the other: 0 is the plain C one, the last the fastest; NULL after it (tests, benchmarks). */
const cso_kernels *cso_kernels_at(size_t index);

#endif
