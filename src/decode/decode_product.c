/* decode_product.c - how decoding multiplies with weights.
 *
 * exact: weights to f32, a panel of rows at a time in a buffer of the thread, then sums in a fixed order (kernels.h, dots).
 * fast: rows of activations as 8-bit integers times the stored integers (kernels/qgemm). */
#include "decode_product.h"

#include "base/memory.h"
#include "base/profile.h"
#include "kernels/qgemm/qgemm.h"

#include <stdint.h>
#include <stdlib.h>

const char *const cso_decode_words[] = {[CSO_DECODE_EXACT] = "exact", [CSO_DECODE_FAST] = "fast", NULL};

struct cso_decode_weight {
    cso_qgemm_weight weight; /* packed only for fast products, and only where there is memory */
};

struct cso_decode_products {
    cso_context *ctx;
    cso_decode_weight *weights; /* (n_layers, CSO_MODULE_COUNT), and the head */
    size_t count;
    cso_qgemm_rows *rows; /* fast; NULL: exact */
    void *packed;         /* a copy of all weights */
};

/* A copy for the integer instructions takes about the room of the weights, which are mapped and need not stay in memory then. */
static cso_status pack(cso_decode_products *p, cso_error *err) {
    size_t bytes = 0, most = cso_memory_available() / 2;
    for (size_t i = 0; i < p->count; i++) {
        size_t one;
        if (!cso_qgemm_packed_bytes(&p->weights[i].weight.tensor, &one) || !cso_size_add(bytes, one, &bytes) || bytes > most)
            return CSO_OK; /* each product packs what it needs */
    }
    return cso_qgemm_pack(p->ctx, &p->weights[0].weight, p->count, &p->packed, err);
}

cso_status cso_decode_products_create(cso_decode_products **products, cso_context *ctx, const cso_model *model,
                                      cso_decode_compute compute, cso_error *err) {
    size_t n_layers = model->hparams.n_layers, count = n_layers * CSO_MODULE_COUNT;
    cso_decode_products *p = *products = cso_calloc(1, sizeof *p);
    if (!p || !(p->weights = cso_calloc(count + 1, sizeof *p->weights))) {
        cso_decode_products_free(p);
        *products = NULL;
        return cso_fail_memory(err, "a decoder");
    }
    p->ctx = ctx;
    p->count = count + 1;
    for (size_t i = 0; i <= count; i++)
        p->weights[i].weight =
            cso_qgemm_weight_of(i < count ? &model->layers[i / CSO_MODULE_COUNT].linear[i % CSO_MODULE_COUNT] : &model->head);
    cso_status status = compute == CSO_DECODE_FAST ? cso_qgemm_rows_create(&p->rows, err) : CSO_OK;
    if (status == CSO_OK && p->rows)
        status = pack(p, err);
    if (status != CSO_OK) {
        cso_decode_products_free(p);
        *products = NULL;
    }
    return status;
}

void cso_decode_products_free(cso_decode_products *products) {
    if (!products)
        return;
    cso_qgemm_rows_free(products->rows);
    free(products->packed);
    free(products->weights);
    free(products);
}

const cso_decode_weight *cso_decode_weight_of(const cso_decode_products *products, size_t layer, cso_module module) {
    return &products->weights[layer * CSO_MODULE_COUNT + module];
}

const cso_decode_weight *cso_decode_head(const cso_decode_products *products) {
    return &products->weights[products->count - 1];
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
    const cso_tensor *w = &job->list[p].weight->weight.tensor;
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

static cso_status multiply_exact(multiply_job *job, size_t count, cso_error *err) {
    CSO_TRY(cso_scratch_reserve(job->ctx->pool, (size_t)PANEL_ROWS * PANEL_COLUMNS * sizeof(float), err));
    cso_parallel_for(job->ctx->pool, job->first_task[count], multiply_task, job);
    return CSO_OK;
}

static cso_status multiply_fast(cso_decode_products *products, const multiply_job *job, size_t count, cso_error *err) {
    cso_qgemm_product list[CSO_DECODE_MOST_PRODUCTS];
    for (size_t p = 0; p < count; p++) {
        size_t out = cso_tensor_rows(&job->list[p].weight->weight.tensor);
        list[p] = (cso_qgemm_product){&job->list[p].weight->weight, 0, out, job->list[p].out, out};
    }
    cso_qgemm_rows_set(products->rows, job->x, job->columns, job->rows, job->columns);
    return cso_qgemm(job->ctx, products->rows, list, count, err);
}

cso_status cso_decode_multiply(cso_decode_products *products, const float *x, size_t rows, const cso_decode_product *list,
                               size_t count, cso_error *err) {
    multiply_job job = {.ctx = products->ctx, .x = x, .rows = rows, .list = list};
    double flops = 0;
    for (size_t p = 0; p < count; p++) {
        const cso_tensor *w = &list[p].weight->weight.tensor;
        job.columns = cso_tensor_columns(w);
        job.first_task[p + 1] = job.first_task[p] + (cso_tensor_rows(w) + PANEL_ROWS - 1) / PANEL_ROWS;
        flops += 2.0 * (double)rows * (double)cso_tensor_rows(w) * (double)job.columns;
    }
    cso_phase phase = cso_profile_enter(CSO_PHASE_GEMM);
    CSO_TRY(products->rows ? multiply_fast(products, &job, count, err) : multiply_exact(&job, count, err));
    cso_profile_add_flops(flops);
    cso_profile_leave(phase);
    return CSO_OK;
}
