/* panel.c - products with weights of any stored type in f32.
 *
 * The result is cut into tiles, a task each (tiles.c). A task dequantizes its part of W, a panel at a time, into a buffer of its
 * thread and multiplies that while it is in cache. W is converted again for every tile_m rows of x, which costs about a
 * hundredth of the product. Weights of f32 that lie in order are multiplied where they are.
 */
#include "gemm_internal.h"

#include "base/parallel.h"
#include "base/profile.h"

enum {
    PANEL_FLOATS = 1 << 21, /* most of a panel: 8 MiB */
    PANEL_STEP = 448        /* of the inner dimension: what libraries work through at a time; then a panel stays in cache */
};

typedef struct {
    const cso_gemm_product *p;
    cso_gemm_tiles tiles;
    size_t step; /* of the inner dimension: what a panel holds */
    bool in_place;
} panel_job;

/* y[tile] = x W^T, over columns k0 .. k0+k. */
static void forward_panel(const panel_job *job, const cso_gemm_tile *t, size_t k0, size_t k, float *panel) {
    const cso_gemm_product *p = job->p;
    cso_gemm_operand x = {p->source + t->i * p->lds + k0, p->lds, false}, w = {panel, k, true};
    if (job->in_place)
        w = (cso_gemm_operand){(const float *)cso_tensor_row(p->w.tensor, p->w.row0 + t->j) + k0, p->w.columns, true};
    cso_phase phase = cso_profile_enter(CSO_PHASE_DEQUANTIZE);
    for (size_t row = 0; row < t->n && !job->in_place; row++)
        cso_gemm_weights(p->ctx->kernels, &p->w, t->j + row, k0, k, panel + row * k);
    cso_profile_leave(phase);
    cso_gemm_serial(p->ctx, t->m, t->n, k, 1, x, w, k0 || p->accumulate ? 1 : 0, p->result + t->i * p->ldr + t->j, p->ldr);
}

/* dx[tile] = dy W, over rows k0 .. k0+k. */
static void backward_panel(const panel_job *job, const cso_gemm_tile *t, size_t k0, size_t k, float *panel) {
    const cso_gemm_product *p = job->p;
    cso_gemm_operand dy = {p->source + t->i * p->lds + k0, p->lds, false}, w = {panel, t->n, false};
    if (job->in_place)
        w = (cso_gemm_operand){(const float *)cso_tensor_row(p->w.tensor, p->w.row0 + k0) + t->j, p->w.columns, false};
    cso_phase phase = cso_profile_enter(CSO_PHASE_DEQUANTIZE);
    for (size_t row = 0; row < k && !job->in_place; row++)
        cso_gemm_weights(p->ctx->kernels, &p->w, k0 + row, t->j, t->n, panel + row * t->n);
    cso_profile_leave(phase);
    cso_gemm_serial(p->ctx, t->m, t->n, k, 1, dy, w, k0 || p->accumulate ? 1 : 0, p->result + t->i * p->ldr + t->j, p->ldr);
}

/* The term's part of a tile, which is still in cache. */
static void add_term(const cso_gemm_product *p, const cso_gemm_tile *t) {
    const cso_gemm_term *term = p->term;
    cso_gemm_operand left = {term->left + t->i * term->ld_left, term->ld_left, false},
                     right = {term->right + t->j * (term->trans ? term->ld_right : 1), term->ld_right, term->trans};
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    cso_gemm_serial(p->ctx, t->m, t->n, term->rank, term->alpha, left, right, 1, p->result + t->i * p->ldr + t->j, p->ldr);
    cso_profile_leave(phase);
}

static void tile_task(void *context, size_t index, int thread) {
    const panel_job *job = context;
    cso_gemm_tile tile = cso_gemm_tile_at(&job->tiles, index);
    size_t inner = job->p->backward ? job->p->w.rows : job->p->w.columns, step = job->in_place ? inner : job->step;
    for (size_t k0 = 0; k0 < inner; k0 += step)
        (job->p->backward ? backward_panel : forward_panel)(job, &tile, k0, inner - k0 < step ? inner - k0 : step,
                                                            cso_scratch(job->p->ctx->pool, thread));
    if (job->p->term)
        add_term(job->p, &tile);
}

cso_status cso_gemm_panels(const cso_gemm_product *p, cso_error *err) {
    enum { UNIT = 16, MOST_COLUMNS = PANEL_FLOATS / 256 };
    size_t block = cso_dtype_get(p->w.tensor->dtype)->block, unit = block > UNIT ? block : UNIT;
    panel_job job = {.p = p, .in_place = cso_gemm_in_place(&p->w)};
    job.tiles = cso_gemm_tiles_choose(p->m, p->backward ? p->w.columns : p->w.rows, unit);
    if (!job.in_place && job.tiles.tile_n > MOST_COLUMNS) { /* a panel must hold a block of each */
        job.tiles.tile_n = MOST_COLUMNS;
        job.tiles.count_n = (job.tiles.n + MOST_COLUMNS - 1) / MOST_COLUMNS;
    }
    size_t most = PANEL_FLOATS / job.tiles.tile_n / unit * unit;
    job.step = cso_gemm_piece(p->backward ? p->w.rows : p->w.columns, PANEL_STEP, unit);
    job.step = job.step < most ? job.step : most;
    if (!job.in_place)
        CSO_TRY(cso_scratch_reserve(p->ctx->pool, job.step * job.tiles.tile_n * sizeof(float), err));
    cso_parallel_for(p->ctx->pool, job.tiles.count_m * job.tiles.count_n, tile_task, &job);
    return CSO_OK;
}
