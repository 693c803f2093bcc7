/* openblas.c - products of f32 matrices by OpenBLAS, one tile at a time in each of our threads.
 *
 * The tiles depend on the shape alone (tiles.c), and OpenBLAS computes each serially (parallel.h), so the bits do not depend on
 * the number of threads.
 */
#include "gemm_internal.h"

#include "cso/parallel.h"

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

void cso_gemm_prepare(void) {
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    pthread_once(&prepared, prepare_once);
}

void cso_gemm_serial(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                     size_t ldc) {
    if (k == 0) {
        /* What the library would do, but it may refuse the leading dimensions of empty matrices. */
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++)
                c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
        }
        return;
    }
    cblas_sgemm(CblasRowMajor, a.trans ? CblasTrans : CblasNoTrans, b.trans ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
                (blasint)k, alpha, a.data, (blasint)a.ld, b.data, (blasint)b.ld, beta, c, (blasint)ldc);
}

typedef struct {
    size_t k;
    cso_gemm_tiles tiles;
    float alpha, beta;
    cso_gemm_operand a, b;
    float *c;
    size_t ldc;
} product;

static void tile_task(void *context, size_t index, int thread) {
    (void)thread;
    const product *p = context;
    cso_gemm_tile t = cso_gemm_tile_at(&p->tiles, index);
    cso_gemm_operand a = p->a, b = p->b;
    a.data += a.trans ? t.i : t.i * a.ld;
    b.data += b.trans ? t.j * b.ld : t.j;
    cso_gemm_serial(t.m, t.n, p->k, p->alpha, a, b, p->beta, p->c + t.i * p->ldc + t.j, p->ldc);
}

void cso_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
               size_t ldb, float beta, float *c, size_t ldc) {
    if (!m || !n)
        return;
    cso_gemm_prepare();
    product p = {.k = k,
                 .tiles = cso_gemm_tiles_choose(m, n, 16),
                 .alpha = alpha,
                 .beta = beta,
                 .a = {a, lda, trans_a},
                 .b = {b, ldb, trans_b},
                 .c = c,
                 .ldc = ldc};
    cso_parallel_for(p.tiles.count_m * p.tiles.count_n, tile_task, &p);
}

void cso_sgemm_serial(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                      const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (!m || !n)
        return;
    cso_gemm_prepare();
    /* As a task of its own, so that OpenBLAS is serial also outside other tasks. */
    product p = {.k = k,
                 .tiles = {.m = m, .n = n, .tile_m = m, .tile_n = n, .count_m = 1, .count_n = 1},
                 .alpha = alpha,
                 .beta = beta,
                 .a = {a, lda, trans_a},
                 .b = {b, ldb, trans_b},
                 .c = c,
                 .ldc = ldc};
    cso_parallel_for(1, tile_task, &p);
}
