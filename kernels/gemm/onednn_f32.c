/* onednn_f32.c - products of f32 matrices by oneDNN, which computes each serially in the calling task (parallel.h). Its code is
 * generated for the shape at hand: where one side is short, as in attention and in LoRA's factors, it is up to twice as fast as
 * OpenBLAS, and a few hundredths faster elsewhere (docs/performance.md). */
#include "gemm_internal.h"

#include <oneapi/dnnl/dnnl.h>

/* Without AVX-512 the two are alike, and OpenBLAS knows more processors. */
static bool prepare(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static void multiply(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                     size_t ldc) {
    dnnl_status_t status = dnnl_sgemm(a.trans ? 'T' : 'N', b.trans ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, alpha,
                                      a.data, (dnnl_dim_t)a.ld, b.data, (dnnl_dim_t)b.ld, beta, c, (dnnl_dim_t)ldc);
    if (status != dnnl_success) /* it found no memory for its buffers: nothing was written */
        cso_gemm_library_plain.multiply(m, n, k, alpha, a, b, beta, c, ldc);
}

const cso_gemm_library cso_gemm_library_onednn = {"onednn", prepare, multiply};
