/* openblas.c - products of f32 matrices by OpenBLAS, which computes each serially in the calling task (parallel.h). */
#include "gemm_internal.h"

#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* OpenBLAS's choice of kernels, present in builds for several processors (DYNAMIC_ARCH). */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

/* OpenBLAS picks its kernels by a list of processor models. One that is newer than the library (0.3.21 in Debian 12 does not
 * know Emerald Rapids or Zen 4) may get the kernels of a Pentium 4, five times slower than need be. Where that happened and
 * the user did not choose, it is asked again with the name of a processor that has what this one has. */
static void choose_kernels(void) {
#ifdef CSO_HAVE_X86
    static const char *const old_cores[] = {"Prescott", "Core2",   "Penryn",       "Dunnington", "Nehalem", "Sandybridge", "Atom",
                                            "Athlon",   "Opteron", "Opteron_SSE3", "Barcelona",  "Bobcat",  "Nano"};
    if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || getenv("OPENBLAS_CORETYPE"))
        return;
    __builtin_cpu_init();
    const char *wanted = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                 __builtin_cpu_supports("avx512cd")
                             ? "SkylakeX"
                         : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "Haswell"
                                                                                           : NULL;
    bool old = false;
    for (size_t i = 0; i < sizeof old_cores / sizeof *old_cores; i++)
        old = old || !strcmp(openblas_get_corename(), old_cores[i]);
    if (!wanted || !old || setenv("OPENBLAS_CORETYPE", wanted, 1))
        return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
    unsetenv("OPENBLAS_CORETYPE");
#endif
}

static void prepare_once(void) {
    enum { POSIX_THREADS = 1 };
    choose_kernels();
    /* A library that starts threads of its own must not; one built with OpenMP is kept serial by cso_parallel_for. */
    if (openblas_get_parallel() == POSIX_THREADS)
        openblas_set_num_threads(1);
}

/* Once in a process: OpenBLAS keeps both choices there. */
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
