/* decode_product.c - exact products: weights to f32, a panel of rows at a time in a buffer of the thread, then sums in a fixed
 * order (kernels.h, dots). */
#include "decode_product.h"

#include "base/memory.h"
#include "base/profile.h"

#include <stdint.h>
#include <stdlib.h>

const char *const cso_decode_words[] = {[CSO_DECODE_EXACT] = "exact", NULL};

struct cso_decode_weight {
    const cso_tensor *tensor;
};

struct cso_decode_products {
    cso_context *ctx;
    cso_decode_weight head;
    cso_decode_weight *weights; /* (n_layers, CSO_MODULE_COUNT) */
};

cso_status cso_decode_products_create(cso_decode_products **products, cso_context *ctx, const cso_model *model,
                                      cso_decode_compute compute, cso_error *err) {
    (void)compute; /* there is one */
    size_t n_layers = model->hparams.n_layers;
    cso_decode_products *p = *products = cso_calloc(1, sizeof *p);
    if (!p || !(p->weights = cso_calloc(n_layers * CSO_MODULE_COUNT, sizeof *p->weights))) {
        cso_decode_products_free(p);
        *products = NULL;
        return cso_fail_memory(err, "a decoder");
    }
    p->ctx = ctx;
    p->head.tensor = &model->head;
    for (size_t layer = 0; layer < n_layers; layer++)
        for (size_t m = 0; m < CSO_MODULE_COUNT; m++)
            p->weights[layer * CSO_MODULE_COUNT + m].tensor = &model->layers[layer].linear[m];
    return CSO_OK;
}

void cso_decode_products_free(cso_decode_products *products) {
    if (!products)
        return;
    free(products->weights);
    free(products);
}

const cso_decode_weight *cso_decode_weight_of(const cso_decode_products *products, size_t layer, cso_module module) {
    return &products->weights[layer * CSO_MODULE_COUNT + module];
}

const cso_decode_weight *cso_decode_head(const cso_decode_products *products) {
    return &products->head;
}

/* Rows of a weight in one task, and how many columns are added up at a time: all stored blocks divide it. Neither depends on
 * anything, and so nor do the bits. */
enum { PANEL_ROWS = 48, PANEL_COLUMNS = 1024 };

typedef struct multiply_job {
    cso_context *ctx;
    const float *x;
    size_t rows, columns;
    const cso_decode_product *list;
    size_t first_task[CSO_DECODE_MOST_PRODUCTS + 1];
} multiply_job;

static bool is_in_place(const cso_tensor *t) {
    return t->dtype == CSO_F32 && !t->interleaved_head_dim && (uintptr_t)t->data % sizeof(float) == 0;
}

static void multiply_task(void *context, size_t index, int thread) {
    const multiply_job *job = context;
    size_t p = 0;
    while (index >= job->first_task[p + 1])
        p++;
    const cso_tensor *w = job->list[p].weight->tensor;
    const cso_kernels *kernels = job->ctx->kernels;
    const cso_dtype_info *type = cso_dtype_get(w->dtype);
    size_t out = cso_tensor_rows(w), row0 = (index - job->first_task[p]) * PANEL_ROWS;
    size_t n = out - row0 < PANEL_ROWS ? out - row0 : PANEL_ROWS;
    float *panel = cso_scratch(job->ctx->pool, thread);
    for (size_t column = 0; column < job->columns; column += PANEL_COLUMNS) {
        size_t k = job->columns - column < PANEL_COLUMNS ? job->columns - column : PANEL_COLUMNS;
        const float *weights = panel;
        size_t ld = k;
        if (is_in_place(w)) {
            weights = (const float *)cso_tensor_row(w, row0) + column;
            ld = job->columns;
        } else {
            cso_phase phase = cso_profile_enter(CSO_PHASE_DEQUANTIZE);
            for (size_t i = 0; i < n; i++)
                kernels->dequantize_row[w->dtype]((const uint8_t *)cso_tensor_row(w, row0 + i) + column / type->block * type->bytes,
                                                  panel + i * k, k);
            cso_profile_leave(phase);
        }
        kernels->dots(job->list[p].out + row0, out, job->x + column, job->columns, job->rows, weights, ld, n, k, column > 0);
    }
}

cso_status cso_decode_multiply(cso_decode_products *products, const float *x, size_t rows, const cso_decode_product *list,
                               size_t count, cso_error *err) {
    multiply_job job = {.ctx = products->ctx, .x = x, .rows = rows, .list = list};
    double flops = 0;
    for (size_t p = 0; p < count; p++) {
        size_t out = cso_tensor_rows(list[p].weight->tensor);
        job.columns = cso_tensor_columns(list[p].weight->tensor);
        job.first_task[p + 1] = job.first_task[p] + (out + PANEL_ROWS - 1) / PANEL_ROWS;
        flops += 2.0 * (double)rows * (double)out * (double)job.columns;
    }
    cso_phase phase = cso_profile_enter(CSO_PHASE_GEMM);
    CSO_TRY(cso_scratch_reserve(job.ctx->pool, (size_t)PANEL_ROWS * PANEL_COLUMNS * sizeof(float), err));
    cso_parallel_for(job.ctx->pool, job.first_task[count], multiply_task, &job);
    cso_profile_add_flops(flops);
    cso_profile_leave(phase);
    return CSO_OK;
}
