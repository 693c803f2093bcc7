/* packed.c - products with weights of any stored type by our own inner kernels (packed.h).
 *
 * The sum over k is cut into blocks, the columns of the result into panels. For each block and panel all threads first dequantize that
 * part of W straight into the order in which the inner kernel reads it, then multiply tiles of the result: every weight
 * is read and converted once in a product, and no tile packs anything again (a tile by a BLAS would pack both its sides), so
 * that tiles can be small enough for many threads. Every number of the result is summed in the order of k in blocks that depend
 * on k alone: its bits depend neither on threads nor on tiles.
 */
#include "gemm_internal.h"

#include "cso/kernels.h"
#include "cso/parallel.h"

#include <string.h>

enum {
    BLOCK_K = 512,          /* a multiple of the longest block of weights */
    BLOCK_K_MAX = 768,      /* what is left over is taken at once if it is no more than this */
    PANEL_FLOATS = 1 << 21, /* 8 MiB of packed weights */
    TILE_M = 144,
    TILE_N = 256,
    PACK_ROWS = 16 /* rows of W in one task of packing for the backward product */
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

typedef struct {
    const cso_gemm_product *p;
    const cso_packed_kernels *kernels;
    size_t k0, k, n0, n; /* the block of the sum, the panel of the result's columns */
    size_t stride;       /* of packed panels */
    float *packed;
    size_t tile_m, tile_n, tiles_m;
    bool add;
} block_job;

/* y = x W^T: `width` rows of W become columns. */
static void pack_forward_task(void *context, size_t index, int thread) {
    (void)thread;
    const block_job *job = context;
    const cso_gemm_weight *w = &job->p->w;
    size_t width = job->kernels->width, row = job->n0 + index * width,
           count = job->n - index * width < width ? job->n - index * width : width;
    float *packed = job->packed + index * job->stride;
    if (cso_gemm_in_place(w)) {
        const float *source = (const float *)cso_tensor_row(w->tensor, w->row0 + row) + job->k0;
        job->kernels->pack_transposed(packed, source, w->columns, count, job->k);
        return;
    }
    float rows[CSO_PACKED_MAX_WIDTH * BLOCK_K_MAX];
    for (size_t r = 0; r < count; r++)
        cso_gemm_weights(w, row + r, job->k0, job->k, rows + r * job->k);
    job->kernels->pack_transposed(packed, rows, job->k, count, job->k);
}

/* dx = dy W: rows of W are cut into pieces of `width`. */
static void pack_backward_task(void *context, size_t index, int thread) {
    (void)thread;
    enum { PIECE = 2048 };
    const block_job *job = context;
    const cso_gemm_weight *w = &job->p->w;
    size_t width = job->kernels->width, end = (index + 1) * PACK_ROWS < job->k ? (index + 1) * PACK_ROWS : job->k;
    bool in_place = cso_gemm_in_place(w);
    float piece[PIECE];
    for (size_t k = index * PACK_ROWS; k < end; k++) {
        for (size_t c = 0; c < job->n; c += PIECE) {
            size_t count = job->n - c < PIECE ? job->n - c : PIECE;
            const float *source = piece;
            if (in_place)
                source = (const float *)cso_tensor_row(w->tensor, w->row0 + job->k0 + k) + job->n0 + c;
            else
                cso_gemm_weights(w, job->k0 + k, job->n0 + c, count, piece);
            for (size_t i = 0; i < count; i += width) {
                float *packed = job->packed + (c + i) / width * job->stride + k * width;
                size_t n = count - i < width ? count - i : width;
                memcpy(packed, source + i, n * sizeof *packed);
                if (n < width)
                    memset(packed + n, 0, (width - n) * sizeof *packed);
            }
        }
    }
}

static void multiply_task(void *context, size_t index, int thread) {
    (void)thread;
    const block_job *job = context;
    const cso_gemm_product *p = job->p;
    size_t row = index % job->tiles_m * job->tile_m, column = index / job->tiles_m * job->tile_n;
    size_t m = p->m - row < job->tile_m ? p->m - row : job->tile_m,
           n = job->n - column < job->tile_n ? job->n - column : job->tile_n;
    job->kernels->multiply(p->result + row * p->ldr + job->n0 + column, p->ldr, p->source + row * p->lds + job->k0, p->lds, m,
                           job->packed + column / job->kernels->width * job->stride, job->stride, n, job->k, job->add);
}

cso_status cso_gemm_packed(cso_gemm *gemm, const cso_gemm_product *p, cso_error *err) {
    const cso_packed_kernels *kernels = gemm->packed;
    size_t k_total = p->backward ? p->w.rows : p->w.columns, n_total = p->backward ? p->w.columns : p->w.rows;
    block_job job = {.p = p, .kernels = kernels, .add = p->accumulate};
    for (job.k0 = 0; job.k0 < k_total; job.k0 += job.k, job.add = true) {
        size_t left = k_total - job.k0;
        job.k = left <= BLOCK_K_MAX ? left : BLOCK_K;
        job.stride = (job.k + 1) * kernels->width; /* not a power of two, or panels would share cache sets */
        size_t panel_n = PANEL_FLOATS / job.k / 256 * 256;
        if (panel_n > n_total)
            panel_n = n_total;
        size_t panels = (panel_n + kernels->width - 1) / kernels->width;
        CSO_TRY(cso_gemm_reserve(gemm, panels, job.stride, sizeof(float), err));
        job.packed = gemm->buffer;
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
