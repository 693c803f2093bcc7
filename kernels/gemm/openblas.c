/* openblas.c - products of f32 matrices by OpenBLAS, which computes each serially in the calling task (parallel.h). */
#include "gemm_internal.h"

#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* OpenBLAS's choice of kernels, present in builds for several processors (DYNAMIC_ARCH). */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

#ifdef CSO_HAVE_X86
/* Vector instructions of OpenBLAS's kernels, by the name of the processor they are for. */
typedef enum core_level { CORE_UNKNOWN, CORE_OLD, CORE_AVX2, CORE_AVX512 } core_level;
static const char *const level_names[] = {"", "no AVX2", "AVX2", "AVX-512"};

static core_level level_of(const char *core) {
    static const struct {
        const char *core;
        core_level level;
    } cores[] = {{"Prescott", CORE_OLD},     {"Core2", CORE_OLD},         {"Penryn", CORE_OLD},
                 {"Dunnington", CORE_OLD},   {"Nehalem", CORE_OLD},       {"Sandybridge", CORE_OLD},
                 {"Atom", CORE_OLD},         {"Athlon", CORE_OLD},        {"Opteron", CORE_OLD},
                 {"Opteron_SSE3", CORE_OLD}, {"Barcelona", CORE_OLD},     {"Bobcat", CORE_OLD},
                 {"Nano", CORE_OLD},         {"Haswell", CORE_AVX2},      {"Zen", CORE_AVX2},
                 {"SkylakeX", CORE_AVX512},  {"Cooperlake", CORE_AVX512}, {"SapphireRapids", CORE_AVX512}};
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        if (!strcmp(core, cores[i].core))
            return cores[i].level;
    return CORE_UNKNOWN;
}

static bool is_dynamic(void) {
    return gotoblas_dynamic_init && gotoblas_dynamic_quit;
}

static void choose_again(void) {
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
}
#endif

/* OpenBLAS picks its kernels by a list of processor models. One that is newer than the library (0.3.21 in Debian 12 does not
 * know Emerald Rapids or Zen 4) may get the kernels of a Pentium 4, five times slower than need be. Where that happened and
 * the user did not choose, it is asked again with the name of a processor that has what this one has. */
static void choose_kernels(void) {
#ifdef CSO_HAVE_X86
    if (!is_dynamic() || getenv("OPENBLAS_CORETYPE"))
        return;
    __builtin_cpu_init();
    const char *wanted = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                 __builtin_cpu_supports("avx512cd")
                             ? "SkylakeX"
                         : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "Haswell"
                                                                                           : NULL;
    if (!wanted || level_of(openblas_get_corename()) != CORE_OLD || setenv("OPENBLAS_CORETYPE", wanted, 1))
        return;
    choose_again();
    unsetenv("OPENBLAS_CORETYPE");
#endif
}

/* Written once, by compare_kernels. */
static char held_back[256];

/* Compares with the kernels that OpenBLAS gets when the variable is unset, so that nothing is said of a processor or a build
 * of OpenBLAS that has no better ones. */
static void compare_kernels(void) {
#ifdef CSO_HAVE_X86
    const char *coretype = getenv("OPENBLAS_CORETYPE");
    char kept[64], used[32], best[32];
    if (!is_dynamic() || !coretype || strlen(coretype) >= sizeof kept)
        return;
    snprintf(kept, sizeof kept, "%s", coretype);
    snprintf(used, sizeof used, "%s", openblas_get_corename());
    core_level level = level_of(used);
    if (level == CORE_UNKNOWN || level == CORE_AVX512 || unsetenv("OPENBLAS_CORETYPE"))
        return;
    choose_again();
    choose_kernels();
    snprintf(best, sizeof best, "%s", openblas_get_corename());
    setenv("OPENBLAS_CORETYPE", kept, 1);
    choose_again();
    if (level_of(best) <= level)
        return;
    snprintf(
        held_back, sizeof held_back,
        "OPENBLAS_CORETYPE makes OpenBLAS use its kernels for %s (%s) instead of those for %s (%s): products may take twice as "
        "long or more",
        used, level_names[level], best, level_names[level_of(best)]);
#endif
}

const char *cso_openblas_held_back(void) {
    static pthread_once_t compared = PTHREAD_ONCE_INIT;
    pthread_once(&compared, compare_kernels);
    return *held_back ? held_back : NULL;
}

static void prepare_once(void) {
    enum { POSIX_THREADS = 1 };
    choose_kernels();
    /* A library that starts threads of its own must not; one built with OpenMP is kept serial by cso_parallel_for. */
    if (openblas_get_parallel() == POSIX_THREADS)
        openblas_set_num_threads(1);
}

/* Once in a process, before the first product: OpenBLAS keeps its choices there. */
static bool prepare(void) {
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    pthread_once(&prepared, prepare_once);
    return true;
}

static void multiply(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                     size_t ldc) {
    cblas_sgemm(CblasRowMajor, a.trans ? CblasTrans : CblasNoTrans, b.trans ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, alpha, a.data, (blasint)a.ld, b.data, (blasint)b.ld, beta, c, (blasint)ldc);
}

const cso_gemm_library cso_gemm_library_openblas = {"openblas", prepare, multiply};
