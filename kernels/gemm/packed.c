/* packed.c - products with weights of any stored type by our own inner kernels (packed.h), in f32 or bf16.
 *
 * The sum over k is cut into blocks, the columns of the result into panels. For each block and panel all threads first
 * dequantize that part of W straight into the order in which the inner kernel reads it, then multiply tiles of the result:
 * every weight is read and converted once in a product, and no tile packs anything again (a tile by a BLAS would pack both
 * its sides), so that tiles can be small enough for many threads. Every number of the result is summed in the order of k in
 * blocks that depend on k alone: its bits depend neither on threads nor on tiles.
 */
#include "gemm_internal.h"

#include "../variants.h"
#include "cso/parallel.h"

#include <string.h>

enum {
    BLOCK_K = 1024,         /* a multiple of the longest block of weights */
    BLOCK_K_MAX = 1536,     /* what is left over is taken at once if it is no more than this */
    PANEL_FLOATS = 1 << 21, /* 8 MiB of packed weights */
    TILE_M = 144,
    TILE_N = 256,
    PACK_ROWS = 16, /* rows of W in one task of packing for the backward product, and rows of x in one of copying */
    PAD = 16        /* between rows of the copy of x */
};

const cso_packed_kernels *cso_packed_get(void) {
#ifdef CSO_HAVE_X86
    const char *variant = cso_kernels_get()->name;
    if (!strcmp(variant, "avx512"))
        return &cso_avx512_packed;
    if (!strcmp(variant, "avx2"))
        return &cso_avx2_packed;
#endif
    return NULL;
}

const cso_packed_kernels *cso_packed_get_bf16(void) {
#ifdef CSO_HAVE_X86
    if (!strcmp(cso_kernels_get()->name, "avx512") && __builtin_cpu_supports("avx512bf16"))
        return &cso_avx512_packed_bf16;
#endif
    return NULL;
}

typedef struct {
    const cso_gemm_product *p;
    const cso_packed_kernels *kernels;
    size_t k0, k, units; /* the block of the sum */
    size_t n0, n;        /* the panel of the result's columns */
    size_t stride;       /* of packed panels */
    float *packed;
    const float *x; /* this block of the other side, in units */
    float *x_copy;
    size_t ldx;
    size_t tile_m, tile_n, tiles_m;
    bool add;
} block_job;

/* y = x W^T: `width` rows of W become columns. */
static void pack_forward_task(void *context, size_t index, int thread) {
    (void)thread;
    const block_job *job = context;
    const cso_gemm_weight *w = &job->p->w;
    size_t width = job->kernels->width, first = index * width, count = job->n - first < width ? job->n - first : width;
    size_t row = job->n0 + first;
    float *packed = job->packed + index * job->stride;
    if (cso_gemm_in_place(w)) {
        const float *source = (const float *)cso_tensor_row(w->tensor, w->row0 + row) + job->k0;
        job->kernels->pack_transposed(packed, source, w->columns, count, job->k);
        return;
    }
    enum { PIECE = 512 };
    float rows[CSO_PACKED_MAX_WIDTH * (PIECE + PAD)];
    for (size_t k = 0; k < job->k; k += PIECE) {
        size_t n = job->k - k < PIECE ? job->k - k : PIECE;
        for (size_t r = 0; r < count; r++)
            cso_gemm_weights(w, row + r, job->k0 + k, n, rows + r * (PIECE + PAD));
        job->kernels->pack_transposed(packed + k / job->kernels->unit * width, rows, PIECE + PAD, count, n);
    }
}

/* Part of a row of W in f32, where it lies or in `piece`. */
static const float *row_piece(const cso_gemm_weight *w, size_t row, size_t column, size_t count, float *piece) {
    if (cso_gemm_in_place(w))
        return (const float *)cso_tensor_row(w->tensor, w->row0 + row) + column;
    cso_gemm_weights(w, row, column, count, piece);
    return piece;
}

/* dx = dy W: rows of W are cut into pieces of `width`. */
static void pack_backward_task(void *context, size_t index, int thread) {
    (void)thread;
    enum { PIECE = 2048 };
    const block_job *job = context;
    const cso_gemm_weight *w = &job->p->w;
    size_t width = job->kernels->width, unit = job->kernels->unit;
    size_t end = (index + 1) * PACK_ROWS < job->k ? (index + 1) * PACK_ROWS : job->k;
    float pieces[2][PIECE];
    for (size_t k = index * PACK_ROWS; k < end; k += unit) {
        for (size_t c = 0; c < job->n; c += PIECE) {
            size_t count = job->n - c < PIECE ? job->n - c : PIECE;
            const float *row0 = row_piece(w, job->k0 + k, job->n0 + c, count, pieces[0]), *row1 = NULL;
            if (unit == 2 && k + 1 < end)
                row1 = row_piece(w, job->k0 + k + 1, job->n0 + c, count, pieces[1]);
            job->kernels->pack_rows(job->packed + c / width * job->stride + k / unit * width, job->stride, row0, row1, count);
        }
    }
}

static void copy_x_task(void *context, size_t index, int thread) {
    (void)thread;
    const block_job *job = context;
    const cso_gemm_product *p = job->p;
    for (size_t row = index * PACK_ROWS; row < p->m && row < (index + 1) * PACK_ROWS; row++) {
        const float *source = p->source + row * p->lds + job->k0;
        float *copy = job->x_copy + row * job->ldx;
        if (job->kernels->unit == 1) {
            memcpy(copy, source, job->k * sizeof *copy);
            continue;
        }
#ifdef CSO_HAVE_X86
        copy[job->units - 1] = 0; /* the missing half of a last pair */
        cso_avx512_round_bf16((uint16_t *)(void *)copy, source, job->k);
#endif
    }
}

/* bf16 wants pairs. In f32 x is read in place, unless its rows are whole pages apart: they would share a few sets of the
 * caches. */
static cso_status prepare_x(cso_gemm *gemm, block_job *job, size_t n_total, cso_error *err) {
    enum { PAGE_FLOATS = 1024, WORTH_IT = 256 };
    const cso_gemm_product *p = job->p;
    if (job->kernels->unit == 1 && (p->lds % PAGE_FLOATS || n_total < WORTH_IT)) {
        job->x = p->source + job->k0;
        job->ldx = p->lds;
        return CSO_OK;
    }
    job->ldx = (job->units + 2 * PAD - 1) / (2 * PAD) * 2 * PAD + PAD; /* an odd number of cache lines */
    CSO_TRY(cso_gemm_reserve(&gemm->x, p->m, job->ldx, sizeof(float), err));
    job->x = job->x_copy = gemm->x.data;
    cso_parallel_for((p->m + PACK_ROWS - 1) / PACK_ROWS, copy_x_task, job);
    return CSO_OK;
}

static void multiply_task(void *context, size_t index, int thread) {
    (void)thread;
    const block_job *job = context;
    const cso_gemm_product *p = job->p;
    size_t row = index % job->tiles_m * job->tile_m, column = index / job->tiles_m * job->tile_n;
    size_t m = p->m - row < job->tile_m ? p->m - row : job->tile_m,
           n = job->n - column < job->tile_n ? job->n - column : job->tile_n;
    job->kernels->multiply(p->result + row * p->ldr + job->n0 + column, p->ldr, job->x + row * job->ldx, job->ldx, m,
                           job->packed + column / job->kernels->width * job->stride, job->stride, n, job->units, job->add);
}

cso_status cso_gemm_packed(cso_gemm *gemm, const cso_gemm_product *p, cso_error *err) {
    const cso_packed_kernels *kernels = gemm->packed;
    size_t k_total = p->backward ? p->w.rows : p->w.columns, n_total = p->backward ? p->w.columns : p->w.rows;
    block_job job = {.p = p, .kernels = kernels, .add = p->accumulate};
    for (job.k0 = 0; job.k0 < k_total; job.k0 += job.k, job.add = true) {
        size_t left = k_total - job.k0, block = BLOCK_K * kernels->unit, block_max = BLOCK_K_MAX * kernels->unit;
        job.k = left <= block_max ? left : block;
        job.units = (job.k + kernels->unit - 1) / kernels->unit;
        job.stride = (job.units + 1) * kernels->width; /* not a power of two, or panels would share cache sets */
        size_t panel_n = PANEL_FLOATS / job.units / 256 * 256;
        if (panel_n > n_total)
            panel_n = n_total;
        CSO_TRY(cso_gemm_reserve(&gemm->panel, (panel_n + kernels->width - 1) / kernels->width, job.stride, sizeof(float), err));
        job.packed = gemm->panel.data;
        CSO_TRY(prepare_x(gemm, &job, n_total, err));
        for (job.n0 = 0; job.n0 < n_total; job.n0 += panel_n) {
            job.n = n_total - job.n0 < panel_n ? n_total - job.n0 : panel_n;
            if (p->backward)
                cso_parallel_for((job.k + PACK_ROWS - 1) / PACK_ROWS, pack_backward_task, &job);
            else
                cso_parallel_for((job.n + kernels->width - 1) / kernels->width, pack_forward_task, &job);
            job.tile_m = cso_gemm_piece(p->m, TILE_M, kernels->rows);
            job.tile_n = cso_gemm_piece(job.n, TILE_N, kernels->width);
            job.tiles_m = (p->m + job.tile_m - 1) / job.tile_m;
            cso_parallel_for(job.tiles_m * ((job.n + job.tile_n - 1) / job.tile_n), multiply_task, &job);
        }
    }
    return CSO_OK;
}
