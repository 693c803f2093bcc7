/* panel.c - products with weights of any stored type through OpenBLAS.
 *
 * A panel of rows is dequantized by all threads into one buffer, then tiles of x times the panel are computed by all threads:
 * every weight is converted once in a product, however many rows x has. Rows of f32 that lie in order are multiplied where they
 * are.
 */
#include "gemm_internal.h"

#include "cso/parallel.h"

enum {
    PANEL_FLOATS = 1 << 21, /* 8 MiB */
    PANEL_MIN_ROWS = 256    /* fewer would read and write the result of a backward product too often */
};

typedef struct {
    const cso_gemm_weight *w;
    size_t row0, rows, step; /* of w; rows in one task */
    float *panel;
} panel_job;

static void dequantize_task(void *context, size_t index, int thread) {
    (void)thread;
    const panel_job *job = context;
    size_t columns = job->w->columns, end = (index + 1) * job->step < job->rows ? (index + 1) * job->step : job->rows;
    for (size_t row = index * job->step; row < end; row++)
        cso_gemm_weights(job->w, job->row0 + row, 0, columns, job->panel + row * columns);
}

static void multiply(const cso_gemm_product *p, size_t row, size_t rows, const float *weights, bool add) {
    cso_gemm_operand source = {p->backward ? p->source + row : p->source, p->lds, false};
    cso_gemm_operand panel = {weights, p->w.columns, !p->backward};
    if (p->backward)
        cso_gemm_tiled(p->m, p->w.columns, rows, 1, source, panel, add ? 1.0f : 0.0f, p->result, p->ldr);
    else
        cso_gemm_tiled(p->m, rows, p->w.columns, 1, source, panel, add ? 1.0f : 0.0f, p->result + row, p->ldr);
}

cso_status cso_gemm_openblas(cso_gemm *gemm, const cso_gemm_product *p, cso_error *err) {
    enum { TASK_WEIGHTS = 1 << 15 };
    const cso_gemm_weight *w = &p->w;
    if (cso_gemm_in_place(w)) {
        multiply(p, 0, w->rows, cso_tensor_row(w->tensor, w->row0), p->accumulate);
        return CSO_OK;
    }
    size_t panel_rows = PANEL_FLOATS / w->columns / 16 * 16;
    if (panel_rows < PANEL_MIN_ROWS)
        panel_rows = PANEL_MIN_ROWS;
    if (panel_rows > w->rows)
        panel_rows = w->rows;
    CSO_TRY(cso_gemm_reserve(&gemm->panel, panel_rows, w->columns, sizeof(float), err));
    for (size_t row = 0; row < w->rows; row += panel_rows) {
        size_t rows = w->rows - row < panel_rows ? w->rows - row : panel_rows;
        panel_job job = {w, row, rows, (TASK_WEIGHTS + w->columns - 1) / w->columns, gemm->panel.data};
        cso_parallel_for((rows + job.step - 1) / job.step, dequantize_task, &job);
        multiply(p, row, rows, gemm->panel.data, p->accumulate || (p->backward && row));
    }
    return CSO_OK;
}
