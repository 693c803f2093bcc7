/* bench.h - what the files of cso-bench share. */
#ifndef CSO_BENCH_H
#define CSO_BENCH_H

#include "base/status.h"
#include "bench_table.h"
#include "decode/decoder.h"
#include "kernels/gemm/gemm.h"
#include "programs/common/report.h"

enum { BENCH_MAX_THREADS = 4096, BENCH_THREAD_COUNTS = 8 };

typedef struct bench_options {
    bool json;
    double seconds; /* of each measurement; below 0: the command's own choice */
    int threads[BENCH_THREAD_COUNTS];
    size_t thread_counts; /* of threads, at least 1 */
    cso_compute compute;
    cso_decode_compute decode_compute;
    const char *model, *shape, *type; /* of cso-bench step and decode; NULL: not given */
    const char *adapter;
    size_t layers, tokens, rank;
    size_t prompt, leaves, prefix; /* of cso-bench decode; 0: not given */
    double memory_gib;
} bench_options;

/* The commands. */
cso_status bench_kernels(const bench_options *options, const char *const *groups, size_t count, cso_error *err);
cso_status bench_step(const bench_options *options, cso_error *err);
cso_status bench_decode(const bench_options *options, cso_error *err);

/* The one context of the program, which everything here computes with; opened before anything else. */
cso_status bench_context_open(int threads, cso_error *err);
void bench_context_close(void);
cso_context *bench_context(void);
/* Another number of threads for what follows: for the engine, and for the libraries that are measured alone. */
void bench_set_threads(int threads);

/* What the report holds so far goes to standard output: a row is seen when it is measured. */
cso_status bench_flush(report *r, cso_error *err);
/* Four digits are more than a measurement has. */
void bench_report_measured(report *r, const char *name, double value);
/* Facts about the machine that every command begins with. */
void bench_report_machine(report *r);

/* Rounds of a measurement: at least `least`, and until the seconds have passed. */
typedef struct bench_rounds {
    double seconds, began;
    size_t least, done;
} bench_rounds;
bench_rounds bench_rounds_begin(double seconds, size_t least);
bool bench_rounds_next(bench_rounds *rounds);
/* The clock for one kernel: with one thread processor time, which other work on the machine disturbs less. */
double bench_clock(void);
double bench_median(double *values, size_t count); /* sorts them */

/* Operands. Numbers are uniform in +-1/2; the bytes of quantized weights are random, but no product becomes NaN. */
cso_status bench_floats(float **x, size_t n, cso_error *err);
/* data is NULL where the type has no rows of this length. */
cso_status bench_weight(cso_tensor *w, cso_dtype dtype, size_t rows, size_t columns, cso_error *err);
void bench_weight_free(cso_tensor *w);

/* The groups of cso-bench kernels; `seconds` for each row. */
cso_status bench_gemm(report *r, cso_compute compute, double seconds, cso_error *err);
cso_status bench_thin(report *r, double seconds, cso_error *err);
cso_status bench_gemv(report *r, double seconds, cso_error *err);
cso_status bench_qgemm(report *r, double seconds, cso_error *err);
cso_status bench_dequantize(report *r, double seconds, cso_error *err);
cso_status bench_ops(report *r, double seconds, cso_error *err);

#endif
