/* plain.c - products of f32 matrices in plain C: what the libraries are measured by, and the answer where one fails. */
#include "gemm_internal.h"

static bool prepare(void) {
    return true;
}

static void multiply(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                     size_t ldc) {
    size_t a_row = a.trans ? 1 : a.ld, a_step = a.trans ? a.ld : 1, b_column = b.trans ? b.ld : 1, b_step = b.trans ? 1 : b.ld;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            const float *left = a.data + i * a_row, *right = b.data + j * b_column;
            double sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)left[l * a_step] * (double)right[l * b_step];
            float *to = c + i * ldc + j;
            *to = (float)((double)alpha * sum + (beta == 0 ? 0 : (double)beta * (double)*to));
        }
}

const cso_gemm_library cso_gemm_library_plain = {"plain", prepare, multiply};
