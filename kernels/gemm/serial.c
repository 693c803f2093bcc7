/* serial.c - which library multiplies f32 matrices, and products of f32 matrices cut into tiles.
 *
 * The tiles depend on the shape alone (tiles.c), and a library computes each serially, so the bits do not depend on the number of
 * threads.
 */
#include "gemm_internal.h"

#include "base/parallel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In order of preference. */
static const cso_gemm_library *const libraries[] = {
#ifdef CSO_HAVE_ONEDNN
    &cso_gemm_library_onednn,
#endif
    &cso_gemm_library_openblas,
    &cso_gemm_library_plain,
};

bool cso_gemm_use(cso_context *ctx, const char *name) {
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if ((!name || !strcmp(name, libraries[i]->name)) && libraries[i]->prepare()) {
            ctx->library = libraries[i];
            return true;
        }
    return false;
}

/* CSO_GEMM; NULL: the user did not choose. */
static const char *wanted_library(void) {
    const char *name = getenv("CSO_GEMM");
    return name && *name ? name : NULL;
}

static bool is_known(const char *name) {
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (!strcmp(name, libraries[i]->name))
            return true;
    return false;
}

cso_status cso_gemm_choose(cso_context *ctx, cso_error *err) {
    const char *name = wanted_library();
    if (cso_gemm_use(ctx, name))
        return CSO_OK;
    if (is_known(name))
        return cso_fail(err, CSO_ERR_USAGE, "CSO_GEMM: %s needs AVX-512, which this processor lacks (expected openblas or plain)",
                        name);
    if (!strcmp(name, "onednn"))
        return cso_fail(err, CSO_ERR_USAGE, "CSO_GEMM: onednn is not in this build (expected openblas or plain)");
    return cso_fail(err, CSO_ERR_USAGE, "CSO_GEMM: '%s' is unknown (expected onednn, openblas or plain)", name);
}

bool cso_gemm_slowdown(const cso_context *ctx, char *text, size_t size) {
    const cso_gemm_library *first = libraries[0];
    if (ctx->library == &cso_gemm_library_plain)
        snprintf(text, size, "CSO_GEMM=plain multiplies in plain C: many times slower than OpenBLAS");
    if (ctx->library != &cso_gemm_library_openblas)
        return ctx->library == &cso_gemm_library_plain;
    const char *held_back = cso_openblas_held_back();
    bool overrides = wanted_library() && first != ctx->library && first->prepare();
    if (overrides)
        snprintf(text, size, "CSO_GEMM=openblas overrides %s, which is faster for short matrices on this processor%s%s",
                 first->name, held_back ? "; " : "", held_back ? held_back : "");
    else if (held_back)
        snprintf(text, size, "%s", held_back);
    return overrides || held_back;
}

const char *cso_gemm_library_name(const cso_context *ctx) {
    return ctx->library->name;
}

void cso_gemm_serial(const cso_context *ctx, size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b,
                     float beta, float *c, size_t ldc) {
    if (k == 0) {
        /* What the libraries would do, but they may refuse the leading dimensions of empty matrices. */
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++)
                c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
        }
        return;
    }
    ctx->library->multiply(m, n, k, alpha, a, b, beta, c, ldc);
}

typedef struct {
    const cso_context *ctx;
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
    cso_gemm_serial(p->ctx, t.m, t.n, p->k, p->alpha, a, b, p->beta, p->c + t.i * p->ldc + t.j, p->ldc);
}

void cso_sgemm(cso_context *ctx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
               const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (!m || !n)
        return;
    product p = {.ctx = ctx,
                 .k = k,
                 .tiles = cso_gemm_tiles_choose(m, n, 16),
                 .alpha = alpha,
                 .beta = beta,
                 .a = {a, lda, trans_a},
                 .b = {b, ldb, trans_b},
                 .c = c,
                 .ldc = ldc};
    cso_parallel_for(ctx->pool, p.tiles.count_m * p.tiles.count_n, tile_task, &p);
}

void cso_sgemm_serial(cso_context *ctx, bool trans_a, bool trans_b, size_t m, size_t n, size_t k, float alpha, const float *a,
                      size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (!m || !n)
        return;
    /* As a task of its own, so that the library is serial also outside other tasks. */
    product p = {.ctx = ctx,
                 .k = k,
                 .tiles = {.m = m, .n = n, .tile_m = m, .tile_n = n, .count_m = 1, .count_n = 1},
                 .alpha = alpha,
                 .beta = beta,
                 .a = {a, lda, trans_a},
                 .b = {b, ldb, trans_b},
                 .c = c,
                 .ldc = ldc};
    cso_parallel_for(ctx->pool, 1, tile_task, &p);
}
