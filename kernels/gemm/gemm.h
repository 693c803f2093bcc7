/* gemm.h - matrix products, parallel and with bits that do not depend on the number of threads.
 *
 * Matrices are row-major; ld is the distance between rows in floats. Weights are tensors of any stored dtype: a panel of
 * rows is dequantized to f32 in a cache-sized buffer and multiplied (compute f32), or both sides are rounded to bf16 and
 * multiplied by oneDNN with f32 accumulation (compute bf16). f32 tensors are used in place.
 *
 * f32 matrices are multiplied by oneDNN where it was found at build time and the processor has AVX-512, else by OpenBLAS. The
 * environment variable CSO_GEMM=onednn|openblas|plain picks another one for contexts that are made while it is set (plain: plain C,
 * slow, for tests); empty counts as unset.
 */
#ifndef CSO_GEMM_H
#define CSO_GEMM_H

#include "base/status.h"
#include "kernels/context.h"
#include "kernels/tensor.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_compute { CSO_COMPUTE_F32, CSO_COMPUTE_BF16 } cso_compute;
extern const char *const cso_compute_words[]; /* "f32", "bf16", NULL */

typedef struct cso_gemm cso_gemm; /* panel buffers and backend; one thread at a time may use it */

/* ctx must outlive it. CSO_ERR_USAGE with the reason where this build or CPU cannot compute in bf16. */
cso_status cso_gemm_create(cso_gemm **gemm, cso_context *ctx, cso_compute compute, cso_error *err);
void cso_gemm_free(cso_gemm *gemm);

/* y[m, rows] = x[m, columns] W[row0 .. row0+rows)^T + (accumulate ? y : 0). The forward pass of a linear layer. */
cso_status cso_gemm_nt(cso_gemm *gemm, float *y, size_t ldy, const float *x, size_t ldx, size_t m, const cso_tensor *w, size_t row0,
                       size_t rows, bool accumulate, cso_error *err);
/* dx[m, columns] = dy[m, rows] W[row0 .. row0+rows) + (accumulate ? dx : 0). The backward pass to its input. */
cso_status cso_gemm_nn(cso_gemm *gemm, float *dx, size_t lddx, const float *dy, size_t lddy, size_t m, const cso_tensor *w,
                       size_t row0, size_t rows, bool accumulate, cso_error *err);

/* A product of low rank, (m, rank) by (rank, n), that is added to another's result while that is in cache. */
typedef struct cso_gemm_term {
    const float *left, *right; /* right: (rank, n), or where trans (n, rank) */
    size_t ld_left, ld_right, rank;
    bool trans;
    float alpha;
} cso_gemm_term;

/* The two products above plus alpha left op(right); term NULL: without. */
cso_status cso_gemm_nt_plus(cso_gemm *gemm, float *y, size_t ldy, const float *x, size_t ldx, size_t m, const cso_tensor *w,
                            size_t row0, size_t rows, bool accumulate, const cso_gemm_term *term, cso_error *err);
cso_status cso_gemm_nn_plus(cso_gemm *gemm, float *dx, size_t lddx, const float *dy, size_t lddy, size_t m, const cso_tensor *w,
                            size_t row0, size_t rows, bool accumulate, const cso_gemm_term *term, cso_error *err);

/* Who multiplies f32 matrices for this context: "onednn", "openblas" or "plain". */
const char *cso_gemm_library_name(const cso_context *ctx);
/* One line for the user where CSO_GEMM or OPENBLAS_CORETYPE makes the context's f32 products slower than this build and processor
 * allow; false: there is nothing to say. 512 bytes hold it. For programs, before their first product, and not for the library: to
 * compare, it makes OpenBLAS choose its kernels again, and unsets OPENBLAS_CORETYPE meanwhile. */
bool cso_gemm_slowdown(const cso_context *ctx, char *text, size_t size);
/* Picks by name, or the first choice (NULL), for what follows with this context; false if this build or processor lacks it. Not
 * while products of the context run (tests, benchmarks). */
bool cso_gemm_use(cso_context *ctx, const char *name);

/* C[m,n] = alpha op(A) op(B) + beta C in f32, cut into tiles over threads (LoRA factors). op(A) is (m,k), op(B) is (k,n). */
void cso_sgemm(cso_context *ctx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
               const float *b, size_t ldb, float beta, float *c, size_t ldc);
/* The same in the calling thread: for use inside a task (attention). */
void cso_sgemm_serial(cso_context *ctx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
                      size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

#endif
