/* gemm_internal.h - what the files of kernels/gemm share. */
#ifndef CSO_KERNELS_GEMM_INTERNAL_H
#define CSO_KERNELS_GEMM_INTERNAL_H

#include "cso/gemm.h"

#include <stdint.h>

/* One tile of a product, C[m,n] = alpha op(A) op(B) + beta C, by OpenBLAS. Only from inside a task, where OpenBLAS is serial. */
typedef struct cso_gemm_operand {
    const float *data;
    size_t ld;
    bool trans;
} cso_gemm_operand;

void cso_gemm_tile(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                   size_t ldc);

/* The same for a large product, cut into tiles over threads. */
void cso_gemm_tiled(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                    size_t ldc);

/* Cuts `size` into equal pieces of about `target`, a multiple of 16: a short last piece would leave a thread idle. */
static inline size_t cso_gemm_piece(size_t size, size_t target) {
    size_t pieces = (size + target - 1) / target;
    size_t piece = pieces ? (size + pieces - 1) / pieces : 1;
    return (piece + 15) / 16 * 16;
}

/* A weight matrix some of whose rows are used. */
typedef struct cso_gemm_weight {
    const cso_tensor *tensor;
    size_t row0, rows, columns;
} cso_gemm_weight;

/* Can rows be read as f32 where they lie? */
bool cso_gemm_in_place(const cso_gemm_weight *w);

#endif
