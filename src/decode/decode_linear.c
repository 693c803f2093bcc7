/* decode_linear.c - projections of a batch: products with stored weights, biases, and each row's adapter.
 *
 * Rows are in order of their adapters, so LoRA's y += scale (x A^T) B^T is made for a run of rows at a time. As in the engine, one
 * product reads x for every A of the projections with one input.
 */
#include "decode_state.h"

#include "base/profile.h"

#include <string.h>

enum { ROW_TILE = 16, COLUMN_TILE = 512 };

/* LoRA of one run of rows. */
typedef struct low_rank_job {
    const cso_kernels *kernels;
    const float *x; /* (rows, in) of the run */
    float *h;       /* (rows, width) */
    const cso_adapter *adapter;
    const cso_lora_slot *slots; /* (count) of the layer's projections */
    int count;
    float *y[CSO_DECODE_MOST_PRODUCTS]; /* of the run */
    size_t rows, in, width, first_a;
    size_t column_tiles; /* of all projections: the most that one has */
} low_rank_job;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* h = scale x A^T. */
static void down_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const low_rank_job *job = context;
    float *h = job->h + first * job->width;
    job->kernels->dots(h, job->width, job->x + first * job->in, job->in, count, job->adapter->params + job->first_a, job->in,
                       job->width, job->in, 0);
    job->kernels->scale(h, job->adapter->scale, count * job->width);
}

/* y_j += h_j B_j^T, for a tile of rows and one of columns. */
static void up_tile(void *context, size_t index, int thread) {
    (void)thread;
    const low_rank_job *job = context;
    size_t row = index / job->column_tiles * ROW_TILE, column = index % job->column_tiles * COLUMN_TILE, before = 0;
    size_t rows = smaller(ROW_TILE, job->rows - row), rank = job->adapter->options.rank;
    for (int j = 0; j < job->count; j++) {
        const cso_lora_slot *slot = &job->slots[j];
        if (!slot->in)
            continue;
        if (column < slot->out)
            job->kernels->dots(job->y[j] + row * slot->out + column, slot->out, job->h + row * job->width + before, job->width,
                               rows, job->adapter->params + slot->b + column * rank, rank, smaller(COLUMN_TILE, slot->out - column),
                               rank, 1);
        before += rank;
    }
}

static cso_status add_low_rank(cso_decoder *decoder, low_rank_job *job, cso_error *err) {
    size_t widest = 0;
    for (int j = job->count; j-- > 0;)
        if (job->slots[j].in) {
            job->width += job->adapter->options.rank;
            job->in = job->slots[j].in;
            job->first_a = job->slots[j].a;
            widest = job->slots[j].out > widest ? job->slots[j].out : widest;
        }
    if (!job->width)
        return CSO_OK;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    CSO_TRY(cso_decode_reserve(&decoder->low_rank, &decoder->low_rank_floats, job->rows * job->width, err));
    job->h = decoder->low_rank;
    cso_decode_rows(decoder->ctx, job->rows, ROW_TILE, down_rows, job);
    job->column_tiles = (widest + COLUMN_TILE - 1) / COLUMN_TILE;
    size_t tiles = (job->rows + ROW_TILE - 1) / ROW_TILE * job->column_tiles;
    if (job->rows == 1)
        for (size_t i = 0; i < tiles; i++)
            up_tile(job, i, 0);
    else
        cso_parallel_for(decoder->ctx->pool, tiles, up_tile, job);
    cso_profile_leave(phase);
    return CSO_OK;
}

typedef struct bias_job {
    const cso_kernels *kernels;
    float *y;
    const float *bias;
    size_t width;
} bias_job;

static void bias_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const bias_job *job = context;
    for (size_t i = first; i < first + count; i++)
        job->kernels->add(job->y + i * job->width, job->bias, job->width);
}

cso_status cso_decode_linear(cso_decoder *decoder, size_t layer, cso_module first, int count, const float *x, float *const *y,
                             cso_error *err) {
    const cso_model *model = decoder->model;
    size_t in = cso_module_in(model, first);
    cso_decode_product list[CSO_DECODE_MOST_PRODUCTS];
    for (int j = 0; j < count; j++)
        list[j] = (cso_decode_product){cso_decode_weight_of(decoder->products, layer, first + (cso_module)j), y[j]};
    CSO_TRY(cso_decode_multiply(decoder->products, x, decoder->n_rows, list, (size_t)count, err));
    for (size_t row = 0, end; row < decoder->n_rows; row = end) {
        const cso_adapter *adapter = decoder->rows[row].adapter;
        for (end = row + 1; end < decoder->n_rows && decoder->rows[end].adapter == adapter; end++) {
        }
        if (!adapter)
            continue;
        low_rank_job job = {.kernels = decoder->ctx->kernels,
                            .x = x + row * in,
                            .adapter = adapter,
                            .slots = cso_adapter_slot(adapter, layer, first),
                            .count = count,
                            .rows = end - row};
        for (int j = 0; j < count; j++)
            job.y[j] = y[j] + row * cso_module_out(model, first + (cso_module)j);
        CSO_TRY(add_low_rank(decoder, &job, err));
    }
    for (int j = 0; j < count; j++) {
        const float *bias = model->layers[layer].bias[first + (cso_module)j];
        bias_job job = {decoder->ctx->kernels, y[j], bias, cso_module_out(model, first + (cso_module)j)};
        if (bias)
            cso_decode_rows(decoder->ctx, decoder->n_rows, ROW_TILE, bias_rows, &job);
    }
    return CSO_OK;
}
