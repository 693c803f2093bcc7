/* qgemm.c - products with quantized rows, cut into tasks: a few panels of a weight times up to GROUPS_AT_ONCE groups of sixteen rows of x.
 *
 * No result depends on the cut, so it serves speed alone. With few rows, which wait for memory, a task is a long run of panels; with
 * many it is one panel, which stays in cache while all rows go past it.
 */
#include "qgemm_internal.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "kernels/kernels.h"

enum { GROUPS_AT_ONCE = 32, FEW_ROWS = 64, LEAST_TASK_BYTES = 32 << 10, MOST_TASK_BYTES = 1 << 20, TASKS_OF_THREAD = 2 };

/* One product, and which tasks are its own. */
typedef struct cut {
    const cso_qgemm_product *product;
    size_t first_task, panels, panels_at_once, panel_bytes;
} cut;

enum { MOST_PRODUCTS = 16 };

typedef struct work {
    const cso_context *ctx;
    const cso_qgemm_rows *x;
    cut cuts[MOST_PRODUCTS];
    size_t count, groups, row_pieces;
} work;

static size_t pieces(size_t size, size_t piece) {
    return (size + piece - 1) / piece;
}

/* Of a run of panels: memory is read fastest in long runs, and all threads should end at the same time. */
static size_t task_bytes(const cso_context *ctx, const cso_qgemm_product *products, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pieces(products[i].rows, CSO_QGEMM_COLUMNS) * products[i].weight->panel_bytes;
    bytes /= TASKS_OF_THREAD * (size_t)cso_pool_threads(ctx->pool);
    return bytes < LEAST_TASK_BYTES ? LEAST_TASK_BYTES : bytes > MOST_TASK_BYTES ? MOST_TASK_BYTES : bytes;
}

static const uint8_t *panel_at(const work *w, const cut *c, size_t panel, int thread) {
    const cso_qgemm_weight *weight = c->product->weight;
    size_t row = panel * CSO_QGEMM_COLUMNS, left = c->product->rows - row;
    if (weight->panels)
        return weight->panels + (c->product->row0 / CSO_QGEMM_COLUMNS + panel) * c->panel_bytes;
    uint8_t *packed = cso_scratch(w->ctx->pool, thread);
    cso_qgemm_pack_panel(&weight->tensor, c->product->row0 + row, left < CSO_QGEMM_COLUMNS ? left : CSO_QGEMM_COLUMNS, packed);
    return packed;
}

/* A panel times groups group0 .. end of x's rows. */
static void multiply_panel(const work *w, const cut *c, size_t panel, size_t group0, size_t end, int thread) {
    const cso_qgemm_product *p = c->product;
    cso_dtype dtype = p->weight->tensor.dtype;
    size_t column = panel * CSO_QGEMM_COLUMNS;
    cso_qgemm_tile tile = {.panel = panel_at(w, c, panel, thread), .ld = p->ld};
    tile.columns = p->rows - column < CSO_QGEMM_COLUMNS ? p->rows - column : CSO_QGEMM_COLUMNS;
    for (size_t group = group0; group < end; group++) {
        cso_qgemm_rows_group(w->x, group, dtype, &tile);
        tile.out = p->out + group * CSO_QGEMM_ROWS * p->ld + column;
        w->ctx->kernels->qgemm_tile[dtype](&tile);
    }
}

/* The same for weights that are plain numbers. */
static void multiply_plain(const work *w, const cut *c, size_t panel, size_t group0, size_t end) {
    const cso_qgemm_product *p = c->product;
    const cso_qgemm_weight *weight = p->weight;
    size_t column = panel * CSO_QGEMM_COLUMNS, row = p->row0 + column;
    cso_qgemm_plain tile = {.n = cso_tensor_columns(&weight->tensor), .ld = p->ld};
    tile.columns = p->rows - column < CSO_QGEMM_COLUMNS ? p->rows - column : CSO_QGEMM_COLUMNS;
    for (size_t j = 0; j < tile.columns; j++)
        tile.w[j] = weight->panels ? weight->panels + row / CSO_QGEMM_COLUMNS * c->panel_bytes + j * weight->tensor.row_bytes
                                   : cso_tensor_row(&weight->tensor, row + j);
    cso_qgemm_rows_plain(w->x, group0 * CSO_QGEMM_ROWS, (end - group0) * CSO_QGEMM_ROWS, &tile);
    tile.out = p->out + group0 * CSO_QGEMM_ROWS * p->ld + column;
    w->ctx->kernels->qgemm_plain[weight->tensor.dtype](&tile);
}

static void panel_task(void *context, size_t index, int thread) {
    const work *w = context;
    const cut *c = w->cuts;
    while (c + 1 < w->cuts + w->count && index >= c[1].first_task)
        c++;
    size_t run = (index - c->first_task) / w->row_pieces, group0 = (index - c->first_task) % w->row_pieces * GROUPS_AT_ONCE;
    size_t end = w->groups < group0 + GROUPS_AT_ONCE ? w->groups : group0 + GROUPS_AT_ONCE;
    for (size_t panel = run * c->panels_at_once; panel < c->panels && panel < (run + 1) * c->panels_at_once; panel++)
        if (cso_qgemm_is_plain(c->product->weight->tensor.dtype))
            multiply_plain(w, c, panel, group0, end);
        else
            multiply_panel(w, c, panel, group0, end, thread);
}

/* The tasks of up to MOST_PRODUCTS products. */
static cso_status multiply(cso_context *ctx, cso_qgemm_rows *x, const cso_qgemm_product *products, size_t count, cso_error *err) {
    size_t rows = cso_qgemm_rows_count(x), tasks = 0, scratch = 0, bytes = task_bytes(ctx, products, count);
    work w = {.ctx = ctx, .x = x, .count = count, .groups = pieces(rows, CSO_QGEMM_ROWS)};
    w.row_pieces = pieces(w.groups, GROUPS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        const cso_tensor *tensor = &products[i].weight->tensor;
        cut *c = &w.cuts[i];
        *c = (cut){&products[i], tasks, pieces(products[i].rows, CSO_QGEMM_COLUMNS), 1, products[i].weight->panel_bytes};
        if (rows <= FEW_ROWS && c->panel_bytes && c->panel_bytes < bytes)
            c->panels_at_once = bytes / c->panel_bytes;
        tasks += pieces(c->panels, c->panels_at_once) * w.row_pieces;
        if (!products[i].weight->panels && !cso_qgemm_is_plain(tensor->dtype) && c->panel_bytes > scratch)
            scratch = c->panel_bytes;
        cso_profile_add_flops(2.0 * (double)rows * (double)products[i].rows * (double)cso_tensor_columns(tensor));
    }
    if (scratch)
        CSO_TRY(cso_scratch_reserve(ctx->pool, scratch, err));
    cso_parallel_for(ctx->pool, tasks, panel_task, &w);
    return CSO_OK;
}

static cso_status prepare_and_multiply(cso_context *ctx, cso_qgemm_rows *x, const cso_qgemm_product *products, size_t count,
                                       cso_error *err) {
    uint32_t formats = 0;
    for (size_t i = 0; i < count; i++)
        formats |= 1u << products[i].weight->tensor.dtype;
    CSO_TRY(cso_qgemm_rows_prepare(ctx, x, formats, err));
    for (size_t i = 0; i < count; i += MOST_PRODUCTS)
        CSO_TRY(multiply(ctx, x, products + i, count - i < MOST_PRODUCTS ? count - i : MOST_PRODUCTS, err));
    return CSO_OK;
}

cso_status cso_qgemm(cso_context *ctx, cso_qgemm_rows *x, const cso_qgemm_product *products, size_t count, cso_error *err) {
    cso_phase phase = cso_profile_enter(CSO_PHASE_GEMM);
    cso_status status = cso_qgemm_rows_count(x) ? prepare_and_multiply(ctx, x, products, count, err) : CSO_OK;
    cso_profile_leave(phase);
    return status;
}
