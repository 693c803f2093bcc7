/* test_gemm_choice.c - CSO_GEMM and OPENBLAS_CORETYPE: a wrong choice is an error, a slow one a warning, of every program that
 * computes. */
#include "golden.h"
#include "run_program.h"

#include "kernels/gemm/gemm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"
#define CONFIG                                                                                                                     \
    "configs/smollm2.toml --set model.path=" MODEL " --set data.max_length=4096 --set checkpoint.dir=/tmp/cso-gemm-choice"

/* A second of work or less each. */
static const char *const programs[] = {
    "@cso-train --config " CONFIG " --dry-run --quiet",
    "@cso-eval score --model " MODEL " -",
    "@cso-generate --model " MODEL " --prompt Hello --max-tokens 2",
    "@cso-bench kernels gemv --seconds 0.001",
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

static cso_context *ctx; /* to ask what there is */

static run_result run(const char *environment, const char *program) {
    static const char text[] = "{\"text\":\"Hello\"}\n";
    char command[512];
    snprintf(command, sizeof command, "env -u CSO_GEMM -u OPENBLAS_CORETYPE %s %s", environment, program);
    return run_program(command, text, sizeof text - 1);
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

/* Exit code 2 and one line. */
static void check_refused(const char *environment, const char *message) {
    for (int i = 0; i < PROGRAMS; i++) {
        run_result r = run(environment, programs[i]);
        if (r.code != 2 || count(r.err, message) != 1 || count(r.err, "\n") != 1)
            fail_msg("%s %s: exit code %d, %s", environment, programs[i], r.code, r.err);
        run_result_free(&r);
    }
}

/* Exit code 0, and one line with message, or for NULL no word of the two variables. */
static void check_warned(const char *environment, const char *message) {
    for (int i = 0; i < PROGRAMS; i++) {
        run_result r = run(environment, programs[i]);
        size_t words = count(r.err, "CSO_GEMM") + count(r.err, "OPENBLAS_CORETYPE");
        bool right = message ? count(r.err, message) == 1 && count(r.err, "warning: ") == 1 : words == 0;
        if (r.code != 0 || !right)
            fail_msg("%s %s: exit code %d, %s", environment, programs[i], r.code, r.err);
        run_result_free(&r);
    }
}

static void refused(void **state) {
    (void)state;
    check_refused("CSO_GEMM=fast", ": CSO_GEMM: 'fast' is unknown (expected onednn, openblas or plain)\n");
    if (!cso_gemm_use(ctx, "onednn"))
        check_refused("CSO_GEMM=onednn", ": CSO_GEMM: onednn ");
}

static void nothing_to_say(void **state) {
    (void)state;
    check_warned("CSO_GEMM=", NULL);
    if (cso_gemm_use(ctx, "onednn"))
        check_warned("CSO_GEMM=onednn OPENBLAS_CORETYPE=Nehalem", NULL); /* which does not matter then */
    else
        check_warned("CSO_GEMM=openblas", NULL);
}

static void slow_library(void **state) {
    (void)state;
    check_warned("CSO_GEMM=plain", "CSO_GEMM=plain multiplies in plain C");
    if (cso_gemm_use(ctx, "onednn"))
        check_warned("CSO_GEMM=openblas", "CSO_GEMM=openblas overrides onednn");
}

/* Said only where OpenBLAS has better kernels for this processor. */
static void slow_core(void **state) {
    (void)state;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        skip();
    check_warned("CSO_GEMM=openblas OPENBLAS_CORETYPE=Nehalem",
                 "OPENBLAS_CORETYPE makes OpenBLAS use its kernels for Nehalem (no AVX2)");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        check_warned("CSO_GEMM=openblas OPENBLAS_CORETYPE=Haswell",
                     "OPENBLAS_CORETYPE makes OpenBLAS use its kernels for Haswell (AVX2)");
    else
        check_warned("CSO_GEMM=openblas OPENBLAS_CORETYPE=Haswell", NULL);
#else
    skip();
#endif
}

static int open_context(void **state) {
    (void)state;
    return (int)cso_context_create(&ctx, 1, NULL);
}

static int close_context(void **state) {
    (void)state;
    cso_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(nothing_to_say),
        cmocka_unit_test(slow_library),
        cmocka_unit_test(slow_core),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
