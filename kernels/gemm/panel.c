/* panel.c - products with weights of any stored type.
 *
 * A panel of rows is dequantized by all threads into one buffer, then tiles of x times the panel are computed by all threads:
 * every weight is converted once in a product, however many rows x has. Rows of f32 that lie in order are multiplied where they are.
 * For very few rows of x (generation) each weight row is dequantized in pieces and multiplied at once: that is bound by reading W.
 */
#include "gemm_internal.h"

#include "cso/kernels.h"
#include "cso/memory.h"
#include "cso/parallel.h"

#include <stdlib.h>

struct cso_gemm {
    cso_compute compute;
    float *panel;
    size_t panel_floats;
};

enum {
    PANEL_FLOATS = 1 << 21, /* 8 MiB */
    PANEL_MIN_ROWS = 256,   /* fewer would read and write the result of gemm_nn too often */
    FEW_ROWS = 4,           /* up to here rows of x are multiplied one by one */
    GEMV_ROWS = 64,         /* rows of W in one task */
    PIECE = 2048            /* weights dequantized at a time; a multiple of every block */
};

cso_status cso_gemm_create(cso_gemm **gemm, cso_compute compute, cso_error *err) {
    *gemm = NULL;
    if (compute != CSO_COMPUTE_F32)
        return cso_fail(err, CSO_ERR_USAGE, "model.compute: bf16 is not available in this build (expected \"f32\")");
    cso_gemm *g = cso_calloc(1, sizeof *g);
    if (!g)
        return cso_fail_memory(err, "matrix products");
    g->compute = compute;
    *gemm = g;
    return CSO_OK;
}

void cso_gemm_free(cso_gemm *gemm) {
    if (!gemm)
        return;
    free(gemm->panel);
    free(gemm);
}

bool cso_gemm_in_place(const cso_gemm_weight *w) {
    return w->tensor->dtype == CSO_F32 && !w->tensor->interleaved_head_dim && (uintptr_t)w->tensor->data % _Alignof(float) == 0;
}

/* Rows of W in a panel; the buffer is made large enough for them. */
static cso_status reserve_panel(cso_gemm *gemm, const cso_gemm_weight *w, size_t *panel_rows, cso_error *err) {
    size_t rows = w->columns ? PANEL_FLOATS / w->columns / 16 * 16 : w->rows, floats;
    if (rows < PANEL_MIN_ROWS)
        rows = PANEL_MIN_ROWS;
    if (rows > w->rows)
        rows = w->rows;
    *panel_rows = rows;
    if (!cso_size_mul(rows, w->columns, &floats))
        return cso_fail_memory(err, "a panel of weights");
    if (floats <= gemm->panel_floats)
        return CSO_OK;
    free(gemm->panel);
    gemm->panel_floats = 0;
    gemm->panel = cso_aligned_alloc(floats, sizeof *gemm->panel);
    if (!gemm->panel)
        return cso_fail_memory(err, "a panel of weights");
    gemm->panel_floats = floats;
    return CSO_OK;
}

/* --- dequantizing a panel --- */

typedef struct {
    const cso_gemm_weight *w;
    size_t row0, rows, step; /* of the tensor; rows in one task */
    float *panel;
} panel_job;

static void dequantize_task(void *context, size_t index, int thread) {
    (void)thread;
    const panel_job *job = context;
    void (*dequantize)(const void *, float *, size_t) = cso_kernels_get()->dequantize_row[job->w->tensor->dtype];
    size_t columns = job->w->columns, end = (index + 1) * job->step < job->rows ? (index + 1) * job->step : job->rows;
    for (size_t row = index * job->step; row < end; row++)
        dequantize(cso_tensor_row(job->w->tensor, job->row0 + row), job->panel + row * columns, columns);
}

static void dequantize_panel(const cso_gemm_weight *w, size_t row0, size_t rows, float *panel) {
    enum { TASK_WEIGHTS = 1 << 15 };
    panel_job job = {w, row0, rows, w->columns ? (TASK_WEIGHTS + w->columns - 1) / w->columns : 1, panel};
    cso_parallel_for((rows + job.step - 1) / job.step, dequantize_task, &job);
}

/* --- few rows of x --- */

typedef struct {
    const cso_gemm_weight *w;
    float *y;
    const float *x;
    size_t ldy, ldx, m;
    bool accumulate;
} gemv_job;

static void gemv_task(void *context, size_t index, int thread) {
    (void)thread;
    const gemv_job *job = context;
    const cso_kernels *kernels = cso_kernels_get();
    const cso_tensor *tensor = job->w->tensor;
    const cso_dtype_info *info = cso_dtype_get(tensor->dtype);
    bool in_place = cso_gemm_in_place(job->w);
    size_t columns = job->w->columns, end = (index + 1) * GEMV_ROWS < job->w->rows ? (index + 1) * GEMV_ROWS : job->w->rows;
    float piece[PIECE];
    for (size_t row = index * GEMV_ROWS; row < end; row++) {
        const uint8_t *data = cso_tensor_row(tensor, job->w->row0 + row);
        double sums[FEW_ROWS] = {0};
        for (size_t c = 0; c < columns; c += PIECE) {
            size_t n = columns - c < PIECE ? columns - c : PIECE;
            const float *weights = piece;
            if (in_place)
                weights = (const float *)(const void *)data + c;
            else
                kernels->dequantize_row[tensor->dtype](data + c / info->block * info->bytes, piece, n);
            for (size_t i = 0; i < job->m; i++)
                sums[i] += kernels->dot(weights, job->x + i * job->ldx + c, n);
        }
        for (size_t i = 0; i < job->m; i++) {
            float *y = job->y + i * job->ldy + row;
            *y = (float)(job->accumulate ? *y + sums[i] : sums[i]);
        }
    }
}

/* --- the products --- */

cso_status cso_gemm_nt(cso_gemm *gemm, float *y, size_t ldy, const float *x, size_t ldx, size_t m, const cso_tensor *tensor,
                       size_t row0, size_t rows, bool accumulate, cso_error *err) {
    cso_gemm_weight w = {tensor, row0, rows, cso_tensor_columns(tensor)};
    if (!m || !rows)
        return CSO_OK;
    if (m <= FEW_ROWS) {
        gemv_job job = {&w, y, x, ldy, ldx, m, accumulate};
        cso_parallel_for((rows + GEMV_ROWS - 1) / GEMV_ROWS, gemv_task, &job);
        return CSO_OK;
    }
    cso_gemm_operand a = {x, ldx, false};
    float beta = accumulate ? 1.0f : 0.0f;
    if (cso_gemm_in_place(&w)) {
        cso_gemm_operand b = {cso_tensor_row(tensor, row0), w.columns, true};
        cso_gemm_tiled(m, rows, w.columns, 1, a, b, beta, y, ldy);
        return CSO_OK;
    }
    size_t panel_rows;
    CSO_TRY(reserve_panel(gemm, &w, &panel_rows, err));
    for (size_t row = 0; row < rows; row += panel_rows) {
        size_t n = rows - row < panel_rows ? rows - row : panel_rows;
        dequantize_panel(&w, row0 + row, n, gemm->panel);
        cso_gemm_tiled(m, n, w.columns, 1, a, (cso_gemm_operand){gemm->panel, w.columns, true}, beta, y + row, ldy);
    }
    return CSO_OK;
}

cso_status cso_gemm_nn(cso_gemm *gemm, float *dx, size_t lddx, const float *dy, size_t lddy, size_t m, const cso_tensor *tensor,
                       size_t row0, size_t rows, bool accumulate, cso_error *err) {
    cso_gemm_weight w = {tensor, row0, rows, cso_tensor_columns(tensor)};
    float beta = accumulate ? 1.0f : 0.0f;
    if (!m || !w.columns)
        return CSO_OK;
    if (!rows || cso_gemm_in_place(&w)) {
        cso_gemm_operand b = {rows ? cso_tensor_row(tensor, row0) : NULL, w.columns, false};
        cso_gemm_tiled(m, w.columns, rows, 1, (cso_gemm_operand){dy, lddy, false}, b, beta, dx, lddx);
        return CSO_OK;
    }
    size_t panel_rows;
    CSO_TRY(reserve_panel(gemm, &w, &panel_rows, err));
    for (size_t row = 0; row < rows; row += panel_rows, beta = 1) {
        size_t k = rows - row < panel_rows ? rows - row : panel_rows;
        dequantize_panel(&w, row0 + row, k, gemm->panel);
        cso_gemm_tiled(m, w.columns, k, 1, (cso_gemm_operand){dy + row, lddy, false},
                       (cso_gemm_operand){gemm->panel, w.columns, false}, beta, dx, lddx);
    }
    return CSO_OK;
}
