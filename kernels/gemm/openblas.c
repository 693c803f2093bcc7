/* openblas.c - products of f32 matrices by OpenBLAS, one tile at a time in each of our threads.
 *
 * The tiles depend on the shape alone, and OpenBLAS computes each serially (parallel.h), so the bits do not depend on the
 * number of threads.
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

static void prepare(void) {
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    pthread_once(&prepared, prepare_once);
}

static void multiply(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
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
    size_t m, n, k, tile_m, tile_n, tiles_m;
    float alpha, beta;
    cso_gemm_operand a, b;
    float *c;
    size_t ldc;
} product;

static void tile_task(void *context, size_t index, int thread) {
    (void)thread;
    const product *p = context;
    size_t i = index % p->tiles_m * p->tile_m, j = index / p->tiles_m * p->tile_n;
    size_t m = p->m - i < p->tile_m ? p->m - i : p->tile_m, n = p->n - j < p->tile_n ? p->n - j : p->tile_n;
    cso_gemm_operand a = p->a, b = p->b;
    a.data += a.trans ? i : i * a.ld;
    b.data += b.trans ? j * b.ld : j;
    multiply(m, n, p->k, p->alpha, a, b, p->beta, p->c + i * p->ldc + j, p->ldc);
}

void cso_gemm_tiled(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                    size_t ldc) {
    /* A tile packs both its sides again: larger ones cost less, smaller ones feed more threads. */
    enum { TARGET = 384, NARROW = 96 };
    if (!m || !n)
        return;
    prepare();
    /* A thin product (a LoRA factor on one side) is cut finer along its long side, or few threads would get work. */
    product p = {.m = m, .n = n, .k = k, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c, .ldc = ldc};
    p.tile_m = cso_gemm_piece(m, n <= 64 ? NARROW : TARGET, 16);
    p.tile_n = cso_gemm_piece(n, m <= 64 ? NARROW : TARGET, 16);
    p.tiles_m = (m + p.tile_m - 1) / p.tile_m;
    cso_parallel_for(p.tiles_m * ((n + p.tile_n - 1) / p.tile_n), tile_task, &p);
}

void cso_sgemm(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
               size_t ldb, float beta, float *c, size_t ldc) {
    cso_gemm_tiled(m, n, k, alpha, (cso_gemm_operand){a, lda, trans_a}, (cso_gemm_operand){b, ldb, trans_b}, beta, c, ldc);
}

static void whole_task(void *context, size_t index, int thread) {
    (void)index, (void)thread;
    const product *p = context;
    multiply(p->m, p->n, p->k, p->alpha, p->a, p->b, p->beta, p->c, p->ldc);
}

void cso_sgemm_serial(bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                      const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (!m || !n)
        return;
    prepare();
    /* As a task of its own, so that OpenBLAS is serial also outside other tasks. */
    product p = {
        .m = m, .n = n, .k = k, .alpha = alpha, .beta = beta, .a = {a, lda, trans_a}, .b = {b, ldb, trans_b}, .c = c, .ldc = ldc};
    cso_parallel_for(1, whole_task, &p);
}
