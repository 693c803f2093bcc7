/* bench_ops.c - what one thread does of each operation and each dequantization, in every variant that this processor has. */
#include "bench.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 16 };

/* A first column, and one for each variant of the kernels that this processor has. How many. */
static size_t variant_columns(bench_column columns[MOST_COLUMNS], bench_column first) {
    size_t count = 1;
    columns[0] = first;
    for (const cso_kernels *kernels; count < MOST_COLUMNS && (kernels = cso_kernels_at(count - 1)); count++)
        columns[count] = (bench_column){kernels->name, 8, 2};
    return count;
}

/* --- dequantization --- */

enum { COLUMNS = 4096, ROWS = 64 };

static double dequantize_rate(const cso_kernels *table, const cso_tensor *w, float *out, double seconds) {
    double least = INFINITY;
    if (!table)
        return NAN;
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        double began = bench_clock();
        for (size_t r = 0; r < ROWS; r++)
            table->dequantize_row[w->dtype](cso_tensor_row(w, r), out, COLUMNS);
        least = fmin(least, bench_clock() - began);
    }
    return ROWS * COLUMNS / least / 1e9;
}

cso_status bench_dequantize(report *r, double seconds, cso_error *err) {
    bench_table table;
    float *out;
    cso_status status = CSO_OK;
    bench_column columns[MOST_COLUMNS];
    size_t count = variant_columns(columns, (bench_column){"type", -8, 0});
    CSO_TRY(bench_floats(&out, COLUMNS, err));
    bench_table_begin(&table, r, "dequantize", "dequantizing in one thread, Gweights/s", columns, count);
    for (int d = 0; status == CSO_OK && d < CSO_DTYPE_COUNT; d++) {
        cso_tensor w;
        CSO_TRY_DONE(bench_weight(&w, (cso_dtype)d, ROWS, COLUMNS, err));
        bench_table_text(&table, cso_dtype_get((cso_dtype)d)->name);
        for (size_t v = 0; v + 1 < count; v++)
            bench_table_number(&table, dequantize_rate(cso_kernels_at(v), &w, out, seconds));
        bench_weight_free(&w);
        status = bench_flush(r, err);
    }
    bench_table_end(&table);
done:
    free(out);
    return status;
}

/* --- operations --- */

enum { OP_N = 4096, OPERANDS = 5, REPEATS = 16 };

typedef float *const operand_list[OPERANDS];

static void op_rmsnorm_forward(const cso_kernels *k, operand_list x) {
    k->rmsnorm_forward(x[0], x[1], x[2], OP_N, 1e-5f);
}
static void op_rmsnorm_backward(const cso_kernels *k, operand_list x) {
    k->rmsnorm_backward(x[0], x[1], x[2], x[3], 1, OP_N);
}
static void op_rope(const cso_kernels *k, operand_list x) {
    k->rope(x[0], x[1], x[2], OP_N / 128, 128, 0);
}
static void op_swiglu_forward(const cso_kernels *k, operand_list x) {
    k->swiglu_forward(x[0], x[1], x[2], OP_N);
}
static void op_swiglu_backward(const cso_kernels *k, operand_list x) {
    k->swiglu_backward(x[0], x[1], x[2], x[3], x[4], OP_N);
}
static void op_geglu_forward(const cso_kernels *k, operand_list x) {
    k->geglu_forward(x[0], x[1], x[2], OP_N);
}
static void op_geglu_backward(const cso_kernels *k, operand_list x) {
    k->geglu_backward(x[0], x[1], x[2], x[3], x[4], OP_N);
}
static void op_softcap(const cso_kernels *k, operand_list x) {
    k->softcap(x[0], OP_N, 30);
}
static void op_softcap_backward(const cso_kernels *k, operand_list x) {
    k->softcap_backward(x[0], x[1], OP_N, 30);
}
static void op_max(const cso_kernels *k, operand_list x) {
    k->max(x[0], OP_N);
}
static void op_exp_sum(const cso_kernels *k, operand_list x) {
    k->exp_sum(x[0], OP_N, 0);
}
static void op_exp_sum_only(const cso_kernels *k, operand_list x) {
    k->exp_sum_only(x[0], OP_N, 0);
}
static void op_dot(const cso_kernels *k, operand_list x) {
    k->dot(x[0], x[1], OP_N);
}
static void op_add(const cso_kernels *k, operand_list x) {
    k->add(x[0], x[1], OP_N);
}
static void op_axpy(const cso_kernels *k, operand_list x) {
    k->axpy(x[0], x[1], 0.1f, OP_N);
}
static void op_scale(const cso_kernels *k, operand_list x) {
    k->scale(x[0], 0.99f, OP_N);
}
static void op_adamw(const cso_kernels *k, operand_list x) {
    k->adamw(x[0], x[1], x[2], x[3], OP_N, 1, 1e-4, 0.9, 0.999, 1e-8, 0, 0.1, 0.001);
}

static const struct operation {
    const char *name;
    void (*run)(const cso_kernels *kernels, operand_list x);
} OPERATIONS[] = {
    {"rmsnorm_forward", op_rmsnorm_forward},
    {"rmsnorm_backward", op_rmsnorm_backward},
    {"rope", op_rope},
    {"swiglu_forward", op_swiglu_forward},
    {"swiglu_backward", op_swiglu_backward},
    {"geglu_forward", op_geglu_forward},
    {"geglu_backward", op_geglu_backward},
    {"softcap", op_softcap},
    {"softcap_backward", op_softcap_backward},
    {"max", op_max},
    {"exp_sum", op_exp_sum},
    {"exp_sum_only", op_exp_sum_only},
    {"dot", op_dot},
    {"add", op_add},
    {"axpy", op_axpy},
    {"scale", op_scale},
    {"adamw", op_adamw},
};

/* Every round begins with the same operands: some operations change theirs, to infinity or to denormals in the end. */
static cso_status operation_rate(const struct operation *op, const cso_kernels *kernels, double seconds, double *rate,
                                 cso_error *err) {
    float *x[OPERANDS] = {NULL}, *fresh[2] = {NULL}; /* fresh: of x[2], and of the others */
    double least = INFINITY;
    cso_status status = CSO_OK;
    for (int i = 0; i < OPERANDS; i++)
        CSO_TRY_DONE(bench_floats(&x[i], OP_N, err));
    for (int i = 0; i < 2; i++)
        CSO_TRY_DONE(bench_floats(&fresh[i], OP_N, err));
    for (int i = 0; i < OP_N; i++)
        fresh[0][i] += 1; /* a second moment, a weight */
    for (bench_rounds rounds = bench_rounds_begin(seconds, 4); bench_rounds_next(&rounds);) {
        for (int i = 0; i < OPERANDS; i++)
            memcpy(x[i], fresh[i != 2], OP_N * sizeof *x[i]);
        double began = bench_clock();
        for (int i = 0; i < REPEATS; i++)
            op->run(kernels, x);
        least = fmin(least, (bench_clock() - began) / REPEATS);
    }
    *rate = OP_N / least / 1e9;
done:
    for (int i = 0; i < OPERANDS; i++)
        free(x[i]);
    free(fresh[0]);
    free(fresh[1]);
    return status;
}

cso_status bench_ops(report *r, double seconds, cso_error *err) {
    bench_table table;
    bench_column columns[MOST_COLUMNS];
    size_t count = variant_columns(columns, (bench_column){"operation", -18, 0});
    bench_table_begin(&table, r, "ops", "operations on 4096 numbers in one thread, Gnumbers/s", columns, count);
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        bench_table_text(&table, OPERATIONS[i].name);
        for (size_t v = 0; v + 1 < count; v++) {
            double rate = NAN;
            CSO_TRY(operation_rate(&OPERATIONS[i], cso_kernels_at(v), seconds, &rate, err));
            bench_table_number(&table, rate);
        }
        CSO_TRY(bench_flush(r, err));
    }
    bench_table_end(&table);
    return CSO_OK;
}
