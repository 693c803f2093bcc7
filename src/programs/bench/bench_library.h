/* bench_library.h - the rates of the libraries that multiply, called directly and each with all its threads: OpenBLAS's sgemm and
 * oneDNN's matmul on f32 matrices, or oneDNN's matmul on bf16 matrices with f32 results. The fastest one that is there is what cso
 * is measured against.
 */
#ifndef CSO_BENCH_LIBRARY_H
#define CSO_BENCH_LIBRARY_H

#include "base/status.h"
#include "kernels/gemm/gemm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c[m, n] = A B. A is (m, k), or where trans_a stored as (k, m); B is (k, n), or where trans_b stored as (n, k), as a projection's
 * weight is in the forward pass. Rows lie one after the other. */
typedef struct bench_product {
    bool trans_a, trans_b;
    size_t m, n, k;
    double count; /* how often it occurs in what is measured */
} bench_product;
double bench_product_flops(const bench_product *p); /* of one of them */

typedef enum bench_library { BENCH_OPENBLAS, BENCH_ONEDNN, BENCH_LIBRARY_COUNT } bench_library;
const char *bench_library_name(bench_library library); /* "OpenBLAS" */
/* Can it multiply such matrices in this build? */
bool bench_library_has(bench_library library, cso_compute compute);

/* a, b and c of one product: floats, or with bf16 a and b hold that. */
typedef struct bench_matrices {
    cso_compute compute;
    const void *a, *b;
    float *c;
    double (*clock)(void); /* the one that cso's own work is measured with */
} bench_matrices;

/* Repeats the product, with as many threads as the engine has (cso_threads), until `seconds` have passed; *mean: seconds of one.
 * The first one, which wakes threads and makes code, is not counted. */
cso_status bench_library_time(bench_library library, const bench_product *p, const bench_matrices *x, double seconds, double *mean,
                              cso_error *err);
/* bench_onednn.c: the same by oneDNN. */
cso_status bench_onednn(const bench_product *p, const bench_matrices *x, double seconds, double *mean, cso_error *err);

/* All libraries on a list of products, which must outlive the yardstick. */
typedef struct bench_yardstick bench_yardstick;
cso_status bench_yardstick_create(bench_yardstick **yardstick, cso_compute compute, const bench_product *products, size_t count,
                                  cso_error *err);
void bench_yardstick_free(bench_yardstick *yardstick);
/* Floating-point operations per second of each library over all products, each as often as it occurs; NaN: not there. */
cso_status bench_yardstick_rates(bench_yardstick *yardstick, double rates[BENCH_LIBRARY_COUNT], cso_error *err);

#endif
