/* bench_measure.c - clocks, rounds and output that all measurements of cso-bench share. */
#include "bench.h"

#include "base/clock.h"
#include "programs/common/open_context.h"

#include <cblas.h>
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static cso_context *opened;

cso_status bench_context_open(int threads, cso_error *err) {
    CSO_TRY(open_context(&opened, threads, err));
    bench_set_threads(cso_pool_threads(opened->pool));
    return CSO_OK;
}

void bench_context_close(void) {
    cso_context_free(opened);
    opened = NULL;
}

cso_context *bench_context(void) {
    return opened;
}

void bench_set_threads(int threads) {
    cso_pool_set_threads(opened->pool, threads);
    omp_set_num_threads(cso_pool_threads(opened->pool));
}

bench_rounds bench_rounds_begin(double seconds, size_t least) {
    return (bench_rounds){.seconds = seconds, .began = cso_clock(), .least = least};
}

bool bench_rounds_next(bench_rounds *rounds) {
    if (rounds->done >= rounds->least && cso_clock() - rounds->began >= rounds->seconds)
        return false;
    rounds->done++;
    return true;
}

double bench_clock(void) {
    return cso_pool_threads(bench_context()->pool) == 1 ? cso_clock_processor() : cso_clock();
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

cso_status bench_flush(report *r, cso_error *err) {
    if (r->text.failed)
        return cso_fail_memory(err, "the report");
    errno = 0;
    if (fwrite(r->text.data, 1, r->text.size, stdout) != r->text.size || fflush(stdout))
        return cso_fail_errno(err, "write", "standard output");
    r->text.size = 0;
    return CSO_OK;
}

void bench_report_measured(report *r, const char *name, double value) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.4g", value);
    report_number(r, name, strtod(digits, NULL));
}

void bench_report_machine(report *r) {
    cso_context *ctx = bench_context();
    const char *used = cso_gemm_library_name(ctx);
    cso_gemm_use(ctx, "openblas"); /* the yardstick: it has chosen its kernels after this */
    cso_gemm_use(ctx, used);
    report_size(r, "threads", (uint64_t)cso_pool_threads(ctx->pool));
    report_text(r, "kernels", ctx->kernels->name);
    report_text(r, "products", used);
    report_text(r, "openblas", openblas_get_corename());
}
