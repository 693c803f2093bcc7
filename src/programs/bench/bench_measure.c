/* bench_measure.c - clocks, rounds and output that all measurements of cso-bench share. */
#include "bench.h"

#include "base/clock.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "kernels/kernels.h"

#include <cblas.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
    return cso_threads() == 1 ? cso_clock_processor() : cso_clock();
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

cso_status bench_go_on(cso_error *err) {
    int signal = cso_signals_stop();
    return signal ? cso_fail(err, CSO_STOPPED, "stopped by signal %d", signal) : CSO_OK;
}

cso_status bench_flush(report *r, cso_error *err) {
    if (r->text.failed)
        return cso_fail_memory(err, "the report");
    errno = 0;
    if (fwrite(r->text.data, 1, r->text.size, stdout) != r->text.size || fflush(stdout))
        return cso_fail_errno(err, "write", "standard output");
    r->text.size = 0;
    return bench_go_on(err);
}

void bench_report_machine(report *r) {
    const char *used = cso_gemm_library_name();
    cso_gemm_use("openblas"); /* the yardstick: it has chosen its kernels after this */
    cso_gemm_use(used);
    report_size(r, "threads", (uint64_t)cso_threads());
    report_text(r, "kernels", cso_kernels_get()->name);
    report_text(r, "products", used);
    report_text(r, "openblas", openblas_get_corename());
}
