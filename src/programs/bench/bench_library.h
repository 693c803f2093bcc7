/* bench_library.h - the rate of the library that multiplies, called directly with all its threads: OpenBLAS's sgemm on f32
 * matrices, or oneDNN's matmul on bf16 matrices with f32 results. It is what a step is measured against. */
#ifndef CSO_BENCH_LIBRARY_H
#define CSO_BENCH_LIBRARY_H

#include "base/status.h"
#include "kernels/gemm/gemm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c[m, n] = a[m, k] B. Forward: B is the transpose of a weight (n, k), as in a projection. backward: a weight (k, n) as it is,
 * as in the gradient to a projection's input. Rows lie one after the other. */
typedef struct bench_product {
    bool backward;
    size_t m, n, k;
    double count; /* how often it occurs in what is measured */
} bench_product;

/* With as many threads as the engine has (bench_context). */
void bench_sgemm(const bench_product *p, const float *a, const float *b, float *c);
void bench_sgemm_any(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     size_t ldb, float *c, size_t ldc);
/* bench_onednn.c: repeats the product until `seconds` have passed; *mean: seconds of one. The first one is not counted. */
cso_status bench_onednn(const bench_product *p, const uint16_t *a, const uint16_t *b, float *c, double seconds, double *mean,
                        cso_error *err);

typedef struct bench_library bench_library;
/* products must outlive the library. */
cso_status bench_library_create(bench_library **library, cso_compute compute, const bench_product *products, size_t count,
                                cso_error *err);
void bench_library_free(bench_library *library);
const char *bench_library_name(const bench_library *library); /* "OpenBLAS sgemm" */
/* *rate: floating-point operations per second over all products, each as often as it occurs. */
cso_status bench_library_rate(bench_library *library, double *rate, cso_error *err);

#endif
