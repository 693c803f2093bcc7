/* bench_kernels.c - cso-bench kernels: rates of the kernels beside what they are measured against, in one run. */
#include "bench.h"

#include "base/did_you_mean.h"
#include "programs/common/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_SECONDS = 0.3;

static cso_status gemm_f32(report *r, double seconds, cso_error *err) {
    return bench_gemm(r, CSO_COMPUTE_F32, seconds, err);
}

static cso_status gemm_bf16(report *r, double seconds, cso_error *err) {
    return bench_gemm(r, CSO_COMPUTE_BF16, seconds, err);
}

static const struct group {
    const char *name;
    cso_status (*run)(report *r, double seconds, cso_error *err);
    bool needs_hardware; /* left out, unless named, where it cannot run */
} GROUPS[] = {
    {"gemm", gemm_f32, false},   {"bf16", gemm_bf16, true},     {"thin", bench_thin, false},
    {"gemv", bench_gemv, false}, {"qgemm", bench_qgemm, false}, {"dequantize", bench_dequantize, false},
    {"ops", bench_ops, false},
};
enum { N_GROUPS = sizeof GROUPS / sizeof *GROUPS };

static cso_status check_names(const char *const *names, size_t count, cso_error *err) {
    const char *known[N_GROUPS];
    for (int g = 0; g < N_GROUPS; g++)
        known[g] = GROUPS[g].name;
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (int g = 0; g < N_GROUPS; g++)
            found = found || !strcmp(names[i], known[g]);
        const char *near = found ? NULL : cso_did_you_mean(names[i], known, N_GROUPS);
        if (near)
            return cso_fail(err, CSO_ERR_USAGE, "kernels: '%s' is not known (did you mean %s?)", names[i], near);
        if (!found)
            return cso_fail(err, CSO_ERR_USAGE,
                            "kernels: '%s' is not known (expected gemm, bf16, thin, gemv, qgemm, dequantize or ops)", names[i]);
    }
    return CSO_OK;
}

static bool is_named(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static cso_status run_group(report *r, const struct group *group, bool named, double seconds, cso_error *err) {
    cso_status status = group->run(r, seconds, err);
    if (status == CSO_ERR_USAGE && group->needs_hardware && !named) {
        fprintf(stderr, "%s is left out: %s\n", group->name, err->message);
        return CSO_OK;
    }
    return status;
}

cso_status bench_kernels(const bench_options *options, const char *const *groups, size_t count, cso_error *err) {
    double seconds = options->seconds < 0 ? DEFAULT_SECONDS : options->seconds;
    report r;
    CSO_TRY(check_names(groups, count, err));
    report_begin(&r, options->json);
    bench_report_machine(&r);
    cso_status status = bench_flush(&r, err);
    for (int g = 0; status == CSO_OK && g < N_GROUPS; g++) {
        bool named = is_named(GROUPS[g].name, groups, count);
        if (named || !count)
            status = run_group(&r, &GROUPS[g], named, seconds, err);
    }
    report_end(&r);
    if (status == CSO_OK)
        status = bench_flush(&r, err);
    free(r.text.data);
    return status;
}
