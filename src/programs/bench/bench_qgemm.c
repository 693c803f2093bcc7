/* bench_qgemm.c - products with quantized rows beside the processor's integer operations from registers and, with one row, beside a
 * loop that reads as many bytes. They take turns, and the best of several rounds counts. */
#include "bench.h"

#include "bench_peak.h"
#include "kernels/qgemm/qgemm.h"

#include <math.h>
#include <stdlib.h>

typedef struct qshape {
    size_t m, n, k;
} qshape;

typedef struct qtrial {
    cso_qgemm_rows *rows;
    float *x, *y;
    cso_tensor stored;
    cso_qgemm_weight mapped, packed;
    void *memory;
    double packed_least, mapped_least, pack_least; /* seconds */
} qtrial;

static void free_trial(qtrial *t) {
    cso_qgemm_rows_free(t->rows);
    free(t->memory);
    bench_weight_free(&t->stored);
    free(t->x);
    free(t->y);
}

static cso_status make_trial(qtrial *t, cso_dtype dtype, const qshape *s, cso_error *err) {
    *t = (qtrial){.packed_least = INFINITY, .mapped_least = INFINITY};
    CSO_TRY(cso_qgemm_rows_create(&t->rows, err));
    CSO_TRY(bench_floats(&t->x, s->m * s->k, err));
    CSO_TRY(bench_floats(&t->y, s->m * s->n, err));
    CSO_TRY(bench_weight(&t->stored, dtype, s->n, s->k, err));
    if (!t->stored.data)
        return CSO_OK;
    t->mapped = t->packed = cso_qgemm_weight_of(&t->stored);
    double began = bench_clock();
    CSO_TRY(cso_qgemm_pack(bench_context(), &t->packed, 1, &t->memory, err));
    t->pack_least = bench_clock() - began;
    return CSO_OK;
}

/* Including the quantization of the rows. */
static cso_status time_product(qtrial *t, const qshape *s, const cso_qgemm_weight *w, double *least, cso_error *err) {
    const cso_qgemm_product product = {w, 0, s->n, t->y, s->n};
    double began = bench_clock();
    cso_qgemm_rows_set(t->rows, t->x, s->k, s->m, s->k);
    CSO_TRY(cso_qgemm(bench_context(), t->rows, &product, 1, err));
    *least = fmin(*least, bench_clock() - began);
    return CSO_OK;
}

static cso_status product_row(bench_table *table, cso_dtype dtype, const qshape *s, double seconds, cso_error *err) {
    double peak = INFINITY, peak_operations, operations = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    qtrial t;
    cso_status status;
    CSO_TRY_DONE(make_trial(&t, dtype, s, err));
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); t.stored.data && bench_rounds_next(&rounds);) {
        CSO_TRY_DONE(time_product(&t, s, &t.packed, &t.packed_least, err));
        CSO_TRY_DONE(time_product(&t, s, &t.mapped, &t.mapped_least, err));
        if (rounds.done % 4 == 1)
            peak = fmin(peak, bench_peak_integers(&peak_operations));
    }
    if (t.stored.data) {
        double most = peak_operations / peak / 1e9;
        bench_table_text(table, cso_dtype_get(dtype)->name);
        bench_table_number(table, (double)s->m);
        bench_table_number(table, (double)s->n);
        bench_table_number(table, (double)s->k);
        bench_table_number(table, most);
        bench_table_number(table, operations / t.packed_least / 1e9);
        bench_table_number(table, operations / t.packed_least / 1e9 / most);
        bench_table_number(table, operations / t.mapped_least / 1e9);
        bench_table_number(table, t.packed_least / t.mapped_least);
    }
    status = bench_flush(table->report, err);
done:
    free_trial(&t);
    return status;
}

static cso_status gemv_row(bench_table *table, cso_dtype dtype, const qshape *s, double seconds, cso_error *err) {
    double read = INFINITY;
    qtrial t;
    cso_status status;
    CSO_TRY_DONE(make_trial(&t, dtype, s, err));
    size_t bytes = t.packed.panel_bytes * (s->n / 16);
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        bench_peak_read(t.stored.data, t.stored.size); /* what lay in cache makes room */
        CSO_TRY_DONE(time_product(&t, s, &t.packed, &t.packed_least, err));
        bench_peak_read(t.stored.data, t.stored.size);
        read = fmin(read, bench_peak_read(t.packed.panels, bytes));
        CSO_TRY_DONE(time_product(&t, s, &t.mapped, &t.mapped_least, err));
    }
    bench_table_text(table, cso_dtype_get(dtype)->name);
    bench_table_number(table, (double)bytes / read / 1e9);
    bench_table_number(table, (double)bytes / t.packed_least / 1e9);
    bench_table_number(table, read / t.packed_least);
    bench_table_number(table, (double)t.stored.size / t.mapped_least / 1e9);
    bench_table_number(table, (double)t.stored.size / t.pack_least / 1e9);
    status = bench_flush(table->report, err);
done:
    free_trial(&t);
    return status;
}

static cso_status products(report *r, double seconds, cso_error *err) {
    static const cso_dtype TYPES[] = {CSO_BF16, CSO_Q8_0, CSO_Q4_0, CSO_Q4_1, CSO_Q5_0, CSO_Q4_K, CSO_Q6_K};
    static const qshape SHAPES[] = {{0, 576, 576}, {0, 1536, 576}, {0, 576, 1536}, {0, 4864, 896}, {0, 2048, 2048}};
    static const size_t ROWS[] = {1, 4, 16, 64, 512};
    static const bench_column COLUMNS[] = {{"type", -6, 0}, {"m", 4, 0},       {"n", 6, 0},      {"k", 6, 0},        {"peak", 7, 1},
                                           {"gops", 7, 1},  {"of_peak", 7, 2}, {"mapped", 7, 1}, {"of_packed", 9, 2}};
    bench_table table;
    bench_table_begin(&table, r, "qgemm",
                      "products with quantized rows, packed weights and mapped ones, and the integer peak from registers: 10^9 "
                      "operations/s",
                      COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
        for (size_t d = 0; d < sizeof TYPES / sizeof *TYPES; d++)
            for (size_t m = 0; m < sizeof ROWS / sizeof *ROWS; m++) {
                const qshape s = {ROWS[m], SHAPES[i].n, SHAPES[i].k};
                CSO_TRY(product_row(&table, TYPES[d], &s, seconds / 4, err));
            }
    bench_table_end(&table);
    return CSO_OK;
}

cso_status bench_qgemm(report *r, double seconds, cso_error *err) {
    static const qshape ONE_ROW = {1, 14336, 4096};
    static const bench_column COLUMNS[] = {{"type", -8, 0},   {"read", 7, 1},   {"packed", 7, 1},
                                           {"of_read", 7, 2}, {"mapped", 7, 1}, {"packing", 7, 2}};
    bench_table table;
    CSO_TRY(products(r, seconds, err));
    bench_table_begin(&table, r, "qgemv",
                      "one quantized row times 14336 x 4096: GB/s of weights, packed or mapped, beside a loop that reads them, and "
                      "how fast they are packed",
                      COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (int d = 0; d < CSO_DTYPE_COUNT; d++)
        CSO_TRY(gemv_row(&table, (cso_dtype)d, &ONE_ROW, seconds, err));
    bench_table_end(&table);
    return CSO_OK;
}
