/* bench_products.c - matrix products of all stored types beside the libraries' own on f32 matrices of the same shapes, with their
 * threads. They take turns, and the best of several rounds counts, because other work on the machine disturbs all of them. */
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

/* One of our products with a weight. */
typedef struct trial {
    cso_gemm *gemm;
    const shape *s;
    bool backward;
} trial;

static cso_status time_ours(const trial *t, const float *x, const cso_tensor *w, float *y, double *least, cso_error *err) {
    const shape *s = t->s;
    double began = bench_clock();
    if (t->backward)
        CSO_TRY(cso_gemm_nn(t->gemm, y, s->k, x, s->n, s->m, w, 0, s->n, false, err));
    else
        CSO_TRY(cso_gemm_nt(t->gemm, y, s->n, x, s->k, s->m, w, 0, s->n, false, err));
    *least = best(*least, bench_clock() - began);
    return CSO_OK;
}

/* Seconds of the libraries; INFINITY: not there. */
typedef struct library_times {
    double least[BENCH_LIBRARY_COUNT];
} library_times;

static library_times no_times(void) {
    return (library_times){{INFINITY, INFINITY}};
}

static cso_status time_libraries(const bench_product *p, const bench_matrices *x, library_times *times, cso_error *err) {
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++) {
        double mean;
        if (!bench_library_has((bench_library)l, x->compute))
            continue;
        CSO_TRY(bench_library_time((bench_library)l, p, x, 0, &mean, err));
        times->least[l] = best(times->least[l], mean);
    }
    return CSO_OK;
}

/* GFLOP/s of each library; gives the seconds of the fastest. */
static double report_libraries(bench_table *table, const library_times *times, double flops) {
    double least = INFINITY;
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++) {
        bench_table_number(table, isfinite(times->least[l]) ? flops / times->least[l] / 1e9 : NAN);
        least = best(least, times->least[l]);
    }
    return least;
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
static cso_status gemm_row(bench_table *table, const trial *t, operands *o, double seconds, cso_error *err) {
    const shape *s = t->s;
    const bench_product p = {false, !t->backward, s->m, t->backward ? s->k : s->n, t->backward ? s->n : s->k, 1};
    const bench_matrices x = {CSO_COMPUTE_F32, o->x, o->w[0].data, o->y, bench_clock};
    library_times times = no_times();
    double ours[N_DTYPES], flops = bench_product_flops(&p);
    for (int d = 0; d < N_DTYPES; d++)
        ours[d] = INFINITY;
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        for (int d = 0; d < N_DTYPES; d++)
            if (o->w[d].data)
                CSO_TRY(time_ours(t, o->x, &o->w[d], o->y, &ours[d], err));
        CSO_TRY(time_libraries(&p, &x, &times, err));
    }
    bench_table_text(table, s->what);
    bench_table_text(table, t->backward ? "nn" : "nt");
    bench_table_number(table, (double)s->m);
    bench_table_number(table, (double)s->n);
    bench_table_number(table, (double)s->k);
    double library = report_libraries(table, &times, flops);
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
        {"shape", -18, 0},     {"op", -2, 0},  {"m", 5, 0},           {"n", 6, 0},    {"k", 6, 0},           {"openblas", 9, 1},
        {"onednn", 7, 1},      {"f32", 7, 1},  {"f32_ratio", 9, 2},   {"bf16", 7, 1}, {"bf16_ratio", 10, 2}, {"q8_0", 7, 1},
        {"q8_0_ratio", 10, 2}, {"q4_1", 7, 1}, {"q4_1_ratio", 10, 2}, {"q4_k", 7, 1}, {"q4_k_ratio", 10, 2},
    };
    cso_gemm *gemm;
    bench_table table;
    cso_status status = CSO_OK;
    CSO_TRY(cso_gemm_create(&gemm, bench_context(), compute, err));
    bool bf16 = compute == CSO_COMPUTE_BF16;
    bench_table_begin(&table, r, bf16 ? "bf16" : "gemm",
                      bf16 ? "products in bf16, GFLOP/s, and the ratio to the fastest library's in f32"
                           : "products in f32, GFLOP/s, and the ratio to the fastest library's in f32",
                      COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; status == CSO_OK && i < sizeof SHAPES / sizeof *SHAPES; i++) {
        operands o = {0};
        status = make_operands(&o, &SHAPES[i], err);
        for (int backward = 0; status == CSO_OK && backward < 2; backward++) {
            const trial t = {gemm, &SHAPES[i], backward};
            status = gemm_row(&table, &t, &o, seconds, err);
        }
        free_operands(&o);
    }
    bench_table_end(&table);
    cso_gemm_free(gemm);
    return status;
}

/* --- LoRA's products: thin factors, and the gradient of a factor, whose long side is summed over --- */

typedef struct thin_shape {
    bench_product p;
    const char *what;
} thin_shape;

static cso_status thin_row(bench_table *table, const thin_shape *s, double seconds, cso_error *err) {
    const bench_product *p = &s->p;
    size_t lda = p->trans_a ? p->m : p->k, ldb = p->trans_b ? p->k : p->n;
    library_times times = no_times();
    double ours = INFINITY;
    float *a = NULL, *b = NULL, *c = NULL;
    cso_status status;
    CSO_TRY_DONE(bench_floats(&a, p->m * p->k, err));
    CSO_TRY_DONE(bench_floats(&b, p->n * p->k, err));
    CSO_TRY_DONE(bench_floats(&c, p->m * p->n, err));
    const bench_matrices x = {CSO_COMPUTE_F32, a, b, c, bench_clock};
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        double began = bench_clock();
        cso_sgemm(bench_context(), p->trans_a, p->trans_b, p->m, p->n, p->k, 1, a, lda, b, ldb, 0, c, p->n);
        ours = best(ours, bench_clock() - began);
        CSO_TRY_DONE(time_libraries(p, &x, &times, err));
    }
    bench_table_text(table, s->what);
    bench_table_number(table, (double)p->m);
    bench_table_number(table, (double)p->n);
    bench_table_number(table, (double)p->k);
    report_libraries(table, &times, bench_product_flops(p));
    bench_table_number(table, bench_product_flops(p) / ours / 1e9);
    status = bench_flush(table->report, err);
done:
    free(a);
    free(b);
    free(c);
    return status;
}

cso_status bench_thin(report *r, double seconds, cso_error *err) {
    static const thin_shape SHAPES[] = {
        {{false, true, 1400, 16, 576, 1}, "x A^T"},   {{false, true, 1400, 1536, 16, 1}, "h B^T"},
        {{true, false, 16, 576, 1400, 1}, "dh^T x"},  {{true, false, 16, 1536, 1400, 1}, "dh^T x"},
        {{true, false, 1536, 16, 1400, 1}, "dy^T h"}, {{false, false, 1400, 16, 1536, 1}, "dy B"},
        {{false, true, 1024, 16, 4096, 1}, "x A^T"},  {{false, true, 1024, 14336, 16, 1}, "h B^T"},
        {{true, false, 16, 4096, 1024, 1}, "dh^T x"}, {{true, false, 14336, 16, 1024, 1}, "dy^T h"},
        {{false, false, 1024, 16, 14336, 1}, "dy B"}, {{true, false, 576, 576, 1400, 1}, "dy^T x, full weights"},
    };
    static const bench_column COLUMNS[] = {{"product", -22, 0}, {"m", 6, 0},      {"n", 6, 0},   {"k", 6, 0},
                                           {"openblas", 9, 1},  {"onednn", 9, 1}, {"ours", 9, 1}};
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
    const trial t = {gemm, s, false};
    cso_tensor w = {0};
    double least = INFINITY;
    cso_status status;
    CSO_TRY_DONE(bench_floats(&x, s->k, err));
    CSO_TRY_DONE(bench_floats(&y, s->n, err));
    CSO_TRY_DONE(bench_weight(&w, dtype, s->n, s->k, err));
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);)
        CSO_TRY_DONE(time_ours(&t, x, &w, y, &least, err));
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
