/* bench_library.c - see bench_library.h. */
#include "bench_library.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

/* Each product of a list is repeated for so long. */
static const double PRODUCT_SECONDS = 0.01;

struct bench_yardstick {
    cso_compute compute;
    const bench_product *products;
    size_t count;
    float *a, *b, *c; /* large enough for every product; in bf16, a and b hold that */
};

double bench_product_flops(const bench_product *p) {
    return 2 * (double)p->m * (double)p->n * (double)p->k;
}

const char *bench_library_name(bench_library library) {
    return library == BENCH_ONEDNN ? "oneDNN" : "OpenBLAS";
}

bool bench_library_has(bench_library library, cso_compute compute) {
#ifdef CSO_HAVE_ONEDNN
    return library == BENCH_ONEDNN || compute == CSO_COMPUTE_F32;
#else
    return library == BENCH_OPENBLAS && compute == CSO_COMPUTE_F32;
#endif
}

static void sgemm(const bench_product *p, const bench_matrices *x) {
    cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans, (blasint)p->m,
                (blasint)p->n, (blasint)p->k, 1, x->a, (blasint)(p->trans_a ? p->m : p->k), x->b,
                (blasint)(p->trans_b ? p->k : p->n), 0, x->c, (blasint)p->n);
}

static double time_openblas(const bench_product *p, const bench_matrices *x, double seconds) {
    enum { POSIX_THREADS = 1 };
    bool own_threads = openblas_get_parallel() == POSIX_THREADS; /* the engine makes these serial */
    size_t repeats = 0;
    if (own_threads)
        openblas_set_num_threads(cso_pool_threads(bench_context()->pool));
    sgemm(p, x);
    double began = x->clock(), elapsed;
    do {
        sgemm(p, x);
        repeats++;
    } while ((elapsed = x->clock() - began) < seconds);
    if (own_threads)
        openblas_set_num_threads(1);
    return elapsed / (double)repeats;
}

cso_status bench_library_time(bench_library library, const bench_product *p, const bench_matrices *x, double seconds, double *mean,
                              cso_error *err) {
    if (library == BENCH_ONEDNN)
        return bench_onednn(p, x, seconds, mean, err);
    *mean = time_openblas(p, x, seconds);
    return CSO_OK;
}

static void round_in_place(float *x, size_t n) {
    uint16_t *halves = (uint16_t *)(void *)x;
    for (size_t i = 0; i < n; i++)
        halves[i] = cso_f32_to_bf16(x[i]);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

cso_status bench_yardstick_create(bench_yardstick **yardstick, cso_compute compute, const bench_product *products, size_t count,
                                  cso_error *err) {
    size_t a = 0, b = 0, c = 0;
    cso_status status;
    bench_yardstick *y = cso_calloc(1, sizeof *y);
    *yardstick = NULL;
    if (!y)
        return cso_fail_memory(err, "a measurement");
    *y = (bench_yardstick){.compute = compute, .products = products, .count = count};
    for (size_t i = 0; i < count; i++) {
        const bench_product *p = &products[i];
        a = larger(a, p->m * p->k);
        b = larger(b, p->k * p->n);
        c = larger(c, p->m * p->n);
    }
    CSO_TRY_DONE(bench_floats(&y->a, a, err));
    CSO_TRY_DONE(bench_floats(&y->b, b, err));
    CSO_TRY_DONE(bench_floats(&y->c, c, err));
    if (compute == CSO_COMPUTE_BF16) {
        round_in_place(y->a, a);
        round_in_place(y->b, b);
    }
    *yardstick = y;
    return CSO_OK;
done:
    bench_yardstick_free(y);
    return status;
}

void bench_yardstick_free(bench_yardstick *yardstick) {
    if (!yardstick)
        return;
    free(yardstick->a);
    free(yardstick->b);
    free(yardstick->c);
    free(yardstick);
}

static cso_status library_rate(const bench_yardstick *y, bench_library library, double *rate, cso_error *err) {
    const bench_matrices x = {y->compute, y->a, y->b, y->c, cso_clock};
    double flops = 0, seconds = 0;
    for (size_t i = 0; i < y->count; i++) {
        double mean;
        CSO_TRY(bench_library_time(library, &y->products[i], &x, PRODUCT_SECONDS, &mean, err));
        flops += y->products[i].count * bench_product_flops(&y->products[i]);
        seconds += y->products[i].count * mean;
    }
    *rate = flops / seconds;
    return CSO_OK;
}

cso_status bench_yardstick_rates(bench_yardstick *yardstick, double rates[BENCH_LIBRARY_COUNT], cso_error *err) {
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++) {
        rates[l] = NAN;
        if (bench_library_has((bench_library)l, yardstick->compute))
            CSO_TRY(library_rate(yardstick, (bench_library)l, &rates[l], err));
    }
    return bench_library_has(BENCH_ONEDNN, yardstick->compute) || yardstick->compute == CSO_COMPUTE_F32
               ? CSO_OK
               : cso_fail(err, CSO_ERR_USAGE, "--compute: this build has no oneDNN, which bf16 needs (expected f32)");
}
