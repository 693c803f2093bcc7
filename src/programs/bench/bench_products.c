/* bench_products.c - matrix products of all stored types beside OpenBLAS's own threaded sgemm on f32 matrices of the same
 * shapes. The two take turns, and the best of several rounds counts, because other work on the machine disturbs both. */
#include "bench.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "bench_library.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct shape {
    size_t m, n, k;
    const char *what;
} shape;

static double best(double known, double seconds) {
    return seconds < known ? seconds : known;
}

static cso_status time_ours(cso_gemm *gemm, const shape *s, bool backward, const float *x, const cso_tensor *w, float *y,
                            double *least, cso_error *err) {
    double began = bench_clock();
    if (backward)
        CSO_TRY(cso_gemm_nn(gemm, y, s->k, x, s->n, s->m, w, 0, s->n, false, err));
    else
        CSO_TRY(cso_gemm_nt(gemm, y, s->n, x, s->k, s->m, w, 0, s->n, false, err));
    *least = best(*least, bench_clock() - began);
    return CSO_OK;
}

static void time_library(const shape *s, bool backward, const float *x, const float *w, float *y, double *least) {
    bench_product p = {.backward = backward, .m = s->m, .n = backward ? s->k : s->n, .k = backward ? s->n : s->k};
    double began = bench_clock();
    bench_sgemm(&p, x, w, y);
    *least = best(*least, bench_clock() - began);
}

/* --- weights of several types --- */

static const cso_dtype DTYPES[] = {CSO_F32, CSO_BF16, CSO_Q8_0, CSO_Q4_1, CSO_Q4_K};
enum { N_DTYPES = sizeof DTYPES / sizeof *DTYPES };

typedef struct operands {
    float *x, *y;
    cso_tensor w[N_DTYPES];
} operands;

static void free_operands(operands *o) {
    for (int d = 0; d < N_DTYPES; d++)
        bench_weight_free(&o->w[d]);
    free(o->x);
    free(o->y);
}

static cso_status make_operands(operands *o, const shape *s, cso_error *err) {
    size_t widest = s->n > s->k ? s->n : s->k;
    CSO_TRY(bench_floats(&o->x, s->m * widest, err));
    CSO_TRY(bench_floats(&o->y, s->m * widest, err));
    for (int d = 0; d < N_DTYPES; d++)
        CSO_TRY(bench_weight(&o->w[d], DTYPES[d], s->n, s->k, err));
    return CSO_OK;
}

/* One row: the shape in one direction. */
static cso_status gemm_row(bench_table *table, cso_gemm *gemm, const shape *s, bool backward, operands *o, double seconds,
                           cso_error *err) {
    double ours[N_DTYPES], library = INFINITY, flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    for (int d = 0; d < N_DTYPES; d++)
        ours[d] = INFINITY;
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        for (int d = 0; d < N_DTYPES; d++)
            if (o->w[d].data)
                CSO_TRY(time_ours(gemm, s, backward, o->x, &o->w[d], o->y, &ours[d], err));
        time_library(s, backward, o->x, o->w[0].data, o->y, &library);
    }
    bench_table_text(table, s->what);
    bench_table_text(table, backward ? "nn" : "nt");
    bench_table_number(table, (double)s->m);
    bench_table_number(table, (double)s->n);
    bench_table_number(table, (double)s->k);
    bench_table_number(table, flops / library / 1e9);
    for (int d = 0; d < N_DTYPES; d++) {
        bench_table_number(table, o->w[d].data ? flops / ours[d] / 1e9 : NAN);
        bench_table_number(table, o->w[d].data ? library / ours[d] : NAN);
    }
    return bench_flush(table->report, err);
}

cso_status bench_gemm(report *r, cso_compute compute, double seconds, cso_error *err) {
    static const shape SHAPES[] = {
        {1400, 576, 576, "SmolLM2 q, o"},  {1400, 192, 576, "SmolLM2 k, v"},   {1400, 1536, 576, "SmolLM2 gate, up"},
        {1400, 576, 1536, "SmolLM2 down"}, {512, 49152, 576, "SmolLM2 head"},  {1024, 4096, 4096, "8B q, o"},
        {1024, 1024, 4096, "8B k, v"},     {1024, 14336, 4096, "8B gate, up"}, {1024, 4096, 14336, "8B down"},
    };
    static const bench_column COLUMNS[] = {
        {"shape", -18, 0}, {"op", -2, 0},         {"m", 5, 0},    {"n", 6, 0},           {"k", 6, 0},    {"openblas", 9, 1},
        {"f32", 7, 1},     {"f32_ratio", 9, 2},   {"bf16", 7, 1}, {"bf16_ratio", 10, 2}, {"q8_0", 7, 1}, {"q8_0_ratio", 10, 2},
        {"q4_1", 7, 1},    {"q4_1_ratio", 10, 2}, {"q4_k", 7, 1}, {"q4_k_ratio", 10, 2},
    };
    cso_gemm *gemm;
    bench_table table;
    cso_status status = CSO_OK;
    CSO_TRY(cso_gemm_create(&gemm, bench_context(), compute, err));
    bool bf16 = compute == CSO_COMPUTE_BF16;
    bench_table_begin(&table, r, bf16 ? "bf16" : "gemm",
                      bf16 ? "products in bf16, GFLOP/s, and the ratio to OpenBLAS's sgemm"
                           : "products in f32, GFLOP/s, and the ratio to OpenBLAS's sgemm",
                      COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; status == CSO_OK && i < sizeof SHAPES / sizeof *SHAPES; i++) {
        operands o = {0};
        status = make_operands(&o, &SHAPES[i], err);
        for (int backward = 0; status == CSO_OK && backward < 2; backward++)
            status = gemm_row(&table, gemm, &SHAPES[i], backward, &o, seconds, err);
        free_operands(&o);
    }
    bench_table_end(&table);
    cso_gemm_free(gemm);
    return status;
}

/* --- LoRA's products: thin factors, and the gradient of a factor, whose long side is summed over --- */

typedef struct thin_shape {
    bool trans_a, trans_b;
    size_t m, n, k;
    const char *what;
} thin_shape;

static cso_status thin_row(bench_table *table, const thin_shape *s, double seconds, cso_error *err) {
    size_t m = s->m, n = s->n, k = s->k, lda = s->trans_a ? m : k, ldb = s->trans_b ? k : n;
    double ours = INFINITY, library = INFINITY, flops = 2.0 * (double)m * (double)n * (double)k;
    float *a = NULL, *b = NULL, *c = NULL;
    cso_status status;
    CSO_TRY_DONE(bench_floats(&a, m * k, err));
    CSO_TRY_DONE(bench_floats(&b, n * k, err));
    CSO_TRY_DONE(bench_floats(&c, m * n, err));
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        double began = bench_clock();
        cso_sgemm(bench_context(), s->trans_a, s->trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n);
        double between = bench_clock();
        bench_sgemm_any(s->trans_a, s->trans_b, m, n, k, a, lda, b, ldb, c, n);
        ours = best(ours, between - began);
        library = best(library, bench_clock() - between);
    }
    bench_table_text(table, s->what);
    bench_table_number(table, (double)m);
    bench_table_number(table, (double)n);
    bench_table_number(table, (double)k);
    bench_table_number(table, flops / library / 1e9);
    bench_table_number(table, flops / ours / 1e9);
    status = bench_flush(table->report, err);
done:
    free(a);
    free(b);
    free(c);
    return status;
}

cso_status bench_thin(report *r, double seconds, cso_error *err) {
    static const thin_shape SHAPES[] = {
        {false, true, 1400, 16, 576, "x A^T"},   {false, true, 1400, 1536, 16, "h B^T"},
        {true, false, 16, 576, 1400, "dh^T x"},  {true, false, 16, 1536, 1400, "dh^T x"},
        {true, false, 1536, 16, 1400, "dy^T h"}, {false, false, 1400, 16, 1536, "dy B"},
        {false, true, 1024, 16, 4096, "x A^T"},  {false, true, 1024, 14336, 16, "h B^T"},
        {true, false, 16, 4096, 1024, "dh^T x"}, {true, false, 14336, 16, 1024, "dy^T h"},
        {false, false, 1024, 16, 14336, "dy B"}, {true, false, 576, 576, 1400, "dy^T x, full weights"},
    };
    static const bench_column COLUMNS[] = {{"product", -22, 0}, {"m", 6, 0},        {"n", 6, 0},
                                           {"k", 6, 0},         {"openblas", 9, 1}, {"ours", 9, 1}};
    bench_table table;
    bench_table_begin(&table, r, "thin", "thin products, GFLOP/s", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
        CSO_TRY(thin_row(&table, &SHAPES[i], seconds, err));
    bench_table_end(&table);
    return CSO_OK;
}

/* --- one row of x: bound by reading the weights --- */

static cso_status gemv_row(bench_table *table, cso_gemm *gemm, const shape *s, cso_dtype dtype, double seconds, cso_error *err) {
    float *x = NULL, *y = NULL;
    cso_tensor w = {0};
    double least = INFINITY;
    cso_status status;
    CSO_TRY_DONE(bench_floats(&x, s->k, err));
    CSO_TRY_DONE(bench_floats(&y, s->n, err));
    CSO_TRY_DONE(bench_weight(&w, dtype, s->n, s->k, err));
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);)
        CSO_TRY_DONE(time_ours(gemm, s, false, x, &w, y, &least, err));
    bench_table_text(table, cso_dtype_get(dtype)->name);
    bench_table_number(table, (double)w.size / least / 1e9);
    bench_table_number(table, (double)(s->n * s->k) / least / 1e9);
    status = bench_flush(table->report, err);
done:
    bench_weight_free(&w);
    free(x);
    free(y);
    return status;
}

cso_status bench_gemv(report *r, double seconds, cso_error *err) {
    static const shape ONE_ROW = {1, 14336, 4096, ""};
    static const bench_column COLUMNS[] = {{"type", -8, 0}, {"gb_per_second", 13, 2}, {"gweights_per_second", 19, 2}};
    cso_gemm *gemm;
    bench_table table;
    cso_status status = CSO_OK;
    CSO_TRY(cso_gemm_create(&gemm, bench_context(), CSO_COMPUTE_F32, err));
    bench_table_begin(&table, r, "gemv", "one row of x times 14336 x 4096: stored bytes and weights read", COLUMNS, 3);
    for (int d = 0; status == CSO_OK && d < CSO_DTYPE_COUNT; d++)
        status = gemv_row(&table, gemm, &ONE_ROW, (cso_dtype)d, seconds, err);
    bench_table_end(&table);
    cso_gemm_free(gemm);
    return status;
}
