/* bench_library.c - see bench_library.h. */
#include "bench_library.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench.h"

#include <cblas.h>
#include <stdlib.h>

/* A product is repeated for so long in one measurement of all; one that alone takes so long is made once. */
static const double PRODUCT_SECONDS = 0.01, LONG_SECONDS = 0.1;

struct bench_library {
    cso_compute compute;
    const bench_product *products;
    size_t count;
    float *a, *b, *c; /* large enough for every product; in bf16, a and b hold that */
};

void bench_sgemm_any(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     size_t ldb, float *c, size_t ldc) {
    enum { POSIX_THREADS = 1 };
    /* The engine makes a library with threads of its own serial. */
    bool own_threads = openblas_get_parallel() == POSIX_THREADS;
    if (own_threads)
        openblas_set_num_threads(cso_pool_threads(bench_context()->pool));
    cblas_sgemm(CblasRowMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, 1, a, (blasint)lda, b, (blasint)ldb, 0, c, (blasint)ldc);
    if (own_threads)
        openblas_set_num_threads(1);
}

void bench_sgemm(const bench_product *p, const float *a, const float *b, float *c) {
    bench_sgemm_any(false, !p->backward, p->m, p->n, p->k, a, p->k, b, p->backward ? p->n : p->k, c, p->n);
}

static void round_in_place(float *x, size_t n) {
    uint16_t *halves = (uint16_t *)(void *)x;
    for (size_t i = 0; i < n; i++)
        halves[i] = cso_f32_to_bf16(x[i]);
}

cso_status bench_library_create(bench_library **library, cso_compute compute, const bench_product *products, size_t count,
                                cso_error *err) {
    size_t a = 0, b = 0, c = 0;
    cso_status status;
    bench_library *l = cso_calloc(1, sizeof *l);
    *library = NULL;
    if (!l)
        return cso_fail_memory(err, "a measurement");
    *l = (bench_library){.compute = compute, .products = products, .count = count};
    for (size_t i = 0; i < count; i++) {
        const bench_product *p = &products[i];
        a = p->m * p->k > a ? p->m * p->k : a;
        b = p->k * p->n > b ? p->k * p->n : b;
        c = p->m * p->n > c ? p->m * p->n : c;
    }
    CSO_TRY_DONE(bench_floats(&l->a, a, err));
    CSO_TRY_DONE(bench_floats(&l->b, b, err));
    CSO_TRY_DONE(bench_floats(&l->c, c, err));
    if (compute == CSO_COMPUTE_BF16) {
        round_in_place(l->a, a);
        round_in_place(l->b, b);
    }
    *library = l;
    return CSO_OK;
done:
    bench_library_free(l);
    return status;
}

void bench_library_free(bench_library *library) {
    if (!library)
        return;
    free(library->a);
    free(library->b);
    free(library->c);
    free(library);
}

const char *bench_library_name(const bench_library *library) {
    return library->compute == CSO_COMPUTE_BF16 ? "oneDNN matmul" : "OpenBLAS sgemm";
}

/* The first call wakes threads up; only where it is long itself, it counts. */
static double time_sgemm(const bench_library *l, const bench_product *p) {
    double began = cso_clock(), elapsed;
    bench_sgemm(p, l->a, l->b, l->c);
    if ((elapsed = cso_clock() - began) > LONG_SECONDS)
        return elapsed;
    size_t repeats = 0;
    began = cso_clock();
    do {
        bench_sgemm(p, l->a, l->b, l->c);
        repeats++;
    } while ((elapsed = cso_clock() - began) < PRODUCT_SECONDS);
    return elapsed / (double)repeats;
}

cso_status bench_library_rate(bench_library *library, double *rate, cso_error *err) {
    double flops = 0, seconds = 0;
    for (size_t i = 0; i < library->count; i++) {
        const bench_product *p = &library->products[i];
        double mean;
        if (library->compute == CSO_COMPUTE_BF16)
            CSO_TRY(bench_onednn(p, (const uint16_t *)(const void *)library->a, (const uint16_t *)(const void *)library->b,
                                 library->c, PRODUCT_SECONDS, &mean, err));
        else
            mean = time_sgemm(library, p);
        flops += p->count * 2 * (double)p->m * (double)p->n * (double)p->k;
        seconds += p->count * mean;
    }
    *rate = flops / seconds;
    return CSO_OK;
}
