/* decode_forward.c - a batch of rows through the model. The blocks are those of src/engine/block_forward.c:
 *
 *   mid = x + post_norm(W_o attention(rope(W_q norm(x)), rope(W_k norm(x)), W_v norm(x)))
 *   out = mid + post_norm(W_down (activation(W_gate norm(mid)) * W_up norm(mid)))
 *
 * where only Gemma-2 has the post norms. A row may be a token of any session at any depth; keys and values go to its page.
 */
#include "decode_state.h"

#include "base/memory.h"
#include "base/profile.h"
#include "model/family.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_TILE = 8 };

typedef struct rows_job {
    size_t rows, tile;
    cso_decode_rows_fn run;
    void *context;
} rows_job;

static void run_tile(void *context, size_t index, int thread) {
    const rows_job *job = context;
    size_t first = index * job->tile, left = job->rows - first;
    job->run(job->context, first, left < job->tile ? left : job->tile, thread);
}

void cso_decode_rows(cso_context *ctx, size_t rows, size_t tile, cso_decode_rows_fn run, void *context) {
    if (rows <= tile) { /* not worth waking threads */
        run(context, 0, rows, 0);
        return;
    }
    rows_job job = {rows, tile, run, context};
    cso_parallel_for(ctx->pool, (rows + tile - 1) / tile, run_tile, &job);
}

cso_status cso_decode_reserve(float **buffer, size_t *capacity, size_t floats, cso_error *err) {
    if (floats <= *capacity)
        return CSO_OK;
    free(*buffer);
    *capacity = 0;
    *buffer = cso_aligned_alloc(floats, sizeof(float));
    if (!*buffer)
        return cso_fail_memory(err, "a batch of tokens");
    *capacity = floats;
    return CSO_OK;
}

/* What the row operations of one layer read. */
typedef struct block {
    cso_decoder *decoder;
    size_t layer;
    const cso_layer *weights;
    const float *norm, *post_norm; /* of the operation that runs; post_norm may be NULL */
} block;

static void embed_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const block *b = context;
    const cso_decoder *d = b->decoder;
    const cso_tensor *table = &d->model->embedding;
    size_t width = d->model->hparams.hidden;
    for (size_t i = first; i < first + count; i++) {
        float *x = d->buffers.hidden + i * width;
        d->ctx->kernels->dequantize_row[table->dtype](cso_tensor_row(table, (size_t)d->rows[i].id), x, width);
        if (d->model->hparams.embedding_scale != 1)
            d->ctx->kernels->scale(x, d->model->hparams.embedding_scale, width);
    }
}

static void norm_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const block *b = context;
    const cso_decoder *d = b->decoder;
    size_t width = d->model->hparams.hidden;
    for (size_t i = first; i < first + count; i++)
        d->ctx->kernels->rmsnorm_forward(d->buffers.normed + i * width, d->buffers.hidden + i * width, b->norm, width,
                                         d->model->hparams.norm_eps);
}

/* hidden += post_norm(raw), normed = norm(hidden). */
static void add_norm_rows(void *context, size_t first, size_t count, int thread) {
    const block *b = context;
    const cso_decoder *d = b->decoder;
    size_t width = d->model->hparams.hidden;
    for (size_t i = first; i < first + count; i++) {
        float *raw = d->buffers.raw + i * width;
        if (b->post_norm)
            d->ctx->kernels->rmsnorm_forward(raw, raw, b->post_norm, width, d->model->hparams.norm_eps);
        d->ctx->kernels->add(d->buffers.hidden + i * width, raw, width);
    }
    norm_rows(context, first, count, thread);
}

/* A key is a column, a value a row. */
static void store_f32(float *key, float *value, const float *k, const float *v, size_t e) {
    for (size_t j = 0; j < e; j++)
        key[j * CSO_KV_PAGE] = k[j];
    memcpy(value, v, e * sizeof *v);
}

static void store_f16(const cso_kernels *kernels, uint16_t *key, uint16_t *value, const float *k, const float *v, size_t e) {
    enum { PIECE = 64 };
    uint16_t piece[PIECE];
    for (size_t first = 0; first < e; first += PIECE) {
        size_t n = e - first < PIECE ? e - first : PIECE;
        kernels->round_f16(piece, k + first, n);
        for (size_t j = 0; j < n; j++)
            key[(first + j) * CSO_KV_PAGE] = piece[j];
    }
    kernels->round_f16(value, v, e);
}

/* Keys and values of a row to its page. */
static void store(const block *b, size_t i) {
    const cso_decoder *d = b->decoder;
    const cso_row *row = &d->rows[i];
    const cso_kv_page *page = row->pages[row->position / CSO_KV_PAGE];
    size_t at = (size_t)row->position % CSO_KV_PAGE, e = d->tree.head_dim, heads = d->tree.heads;
    for (size_t head = 0; head < heads; head++) {
        const float *k = d->buffers.k + (i * heads + head) * e, *v = d->buffers.v + (i * heads + head) * e;
        void *keys = cso_kv_block(&d->tree, page, b->layer, head, false);
        void *values = cso_kv_block(&d->tree, page, b->layer, head, true);
        if (d->tree.half)
            store_f16(d->ctx->kernels, (uint16_t *)keys + at, (uint16_t *)values + at * e, k, v, e);
        else
            store_f32((float *)keys + at, (float *)values + at * e, k, v, e);
    }
}

static void rope_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const block *b = context;
    const cso_decoder *d = b->decoder;
    const cso_hparams *h = &d->model->hparams;
    size_t e = h->head_dim, half = e / 2;
    for (size_t i = first; i < first + count; i++) {
        const float *cosine = d->rope + (size_t)d->rows[i].position * half, *sine = cosine + d->rope_positions * half;
        d->ctx->kernels->rope(d->buffers.q + i * h->n_heads * e, cosine, sine, h->n_heads, e, 0);
        if (!d->rows[i].store)
            continue;
        d->ctx->kernels->rope(d->buffers.k + i * h->n_kv_heads * e, cosine, sine, h->n_kv_heads, e, 0);
        store(b, i);
    }
}

static void activation_rows(void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const block *b = context;
    const cso_decode_buffers *a = &b->decoder->buffers;
    const cso_kernels *kernels = b->decoder->ctx->kernels;
    size_t at = first * b->decoder->model->hparams.ffn, n = count * b->decoder->model->hparams.ffn;
    (b->decoder->model->hparams.activation == CSO_GEGLU ? kernels->geglu_forward
                                                        : kernels->swiglu_forward)(a->gate + at, a->gate + at, a->up + at, n);
}

/* On all rows of the batch, which a profile counts as norms. */
static void on_rows(block *b, cso_decode_rows_fn run) {
    cso_phase phase = cso_profile_enter(CSO_PHASE_NORMS);
    cso_decode_rows(b->decoder->ctx, b->decoder->n_rows, ROW_TILE, run, b);
    cso_profile_leave(phase);
}

/* normed holds norm(hidden) before and after; the one after is next_norm's. */
static cso_status forward_block(block *b, const float *next_norm, cso_error *err) {
    cso_decoder *d = b->decoder;
    cso_decode_buffers *a = &d->buffers;
    float *const qkv[] = {a->q, a->k, a->v}, *const gate_up[] = {a->gate, a->up};
    CSO_TRY(cso_decode_linear(d, b->layer, CSO_Q_PROJ, 3, a->normed, qkv, err)); /* q, k, v = normed W_q^T, ... */
    on_rows(b, rope_rows);                                                       /* q = rope(q); rope(k), v to the pages */
    CSO_TRY(cso_decode_attention(d, b->layer, err));                             /* attended = softmax(q k^T) v */
    CSO_TRY(cso_decode_linear(d, b->layer, CSO_O_PROJ, 1, a->attended, &a->raw, err));
    b->post_norm = b->weights->post_attention_norm;
    b->norm = b->weights->ffn_norm;
    on_rows(b, add_norm_rows); /* hidden += post_norm(attended W_o^T), normed = norm(hidden) */
    CSO_TRY(cso_decode_linear(d, b->layer, CSO_GATE_PROJ, 2, a->normed, gate_up, err));
    on_rows(b, activation_rows); /* gate = activation(gate) * up */
    CSO_TRY(cso_decode_linear(d, b->layer, CSO_DOWN_PROJ, 1, a->gate, &a->raw, err));
    b->post_norm = b->weights->post_ffn_norm;
    b->norm = next_norm;
    on_rows(b, add_norm_rows);
    return CSO_OK;
}

static size_t carve(float **array, float *base, size_t *used, size_t floats) {
    *array = base ? base + *used : NULL;
    return *used += (floats + 15) / 16 * 16;
}

/* Floats of the buffers for so many rows; cuts them out of base unless that is NULL. */
static size_t layout(cso_decode_buffers *a, const cso_hparams *h, size_t rows, float *base) {
    size_t used = 0;
    carve(&a->hidden, base, &used, rows * h->hidden);
    carve(&a->normed, base, &used, rows * h->hidden);
    carve(&a->raw, base, &used, rows * h->hidden);
    carve(&a->q, base, &used, rows * h->n_heads * h->head_dim);
    carve(&a->k, base, &used, rows * h->n_kv_heads * h->head_dim);
    carve(&a->v, base, &used, rows * h->n_kv_heads * h->head_dim);
    carve(&a->attended, base, &used, rows * h->n_heads * h->head_dim);
    carve(&a->gate, base, &used, rows * h->ffn);
    return carve(&a->up, base, &used, rows * h->ffn);
}

static cso_status make_room(cso_decoder *d, cso_error *err) {
    const cso_hparams *h = &d->model->hparams;
    cso_decode_buffers wanted = {.rows = d->n_rows};
    if (d->n_rows <= d->buffers.rows)
        return CSO_OK;
    free(d->buffers.block);
    d->buffers = (cso_decode_buffers){0};
    wanted.block = cso_aligned_alloc(layout(&wanted, h, d->n_rows, NULL), sizeof(float));
    if (!wanted.block)
        return cso_fail_memory(err, "a batch of tokens");
    layout(&wanted, h, d->n_rows, wanted.block);
    d->buffers = wanted;
    return CSO_OK;
}

static cso_status make_rope(cso_decoder *d, cso_error *err) {
    size_t half = d->model->hparams.head_dim / 2, positions = 0;
    for (size_t i = 0; i < d->n_rows; i++)
        positions = (size_t)d->rows[i].position >= positions ? (size_t)d->rows[i].position + 1 : positions;
    if (positions <= d->rope_positions)
        return CSO_OK;
    positions = positions < 2 * d->rope_positions ? 2 * d->rope_positions : positions < 512 ? 512 : positions;
    float *table = cso_aligned_alloc(2 * positions * half, sizeof *table);
    if (!table)
        return cso_fail_memory(err, "rotary tables");
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            double angle = (double)p * d->model->inv_freq[i];
            table[p * half + i] = (float)cos(angle);
            table[(positions + p) * half + i] = (float)sin(angle);
        }
    free(d->rope);
    d->rope = table;
    d->rope_positions = positions;
    return CSO_OK;
}

/* Rows whose logits are wanted are gathered at the front of raw: theirs are consecutive rows of the result. */
static cso_status make_logits(cso_decoder *d, cso_error *err) {
    const cso_hparams *h = &d->model->hparams;
    size_t count = 0, first = 0;
    cso_phase phase = cso_profile_enter(CSO_PHASE_HEAD);
    for (size_t i = 0; i < d->n_rows; i++) {
        if (d->rows[i].logits == CSO_NO_LOGITS)
            continue;
        first = count ? first : d->rows[i].logits;
        memcpy(d->buffers.raw + count++ * h->hidden, d->buffers.normed + i * h->hidden, h->hidden * sizeof(float));
    }
    if (count) {
        float *logits = d->logits + first * h->vocab;
        const cso_decode_product product = {cso_decode_head(d->products), logits};
        CSO_TRY(cso_decode_multiply(d->products, d->buffers.raw, count, &product, 1, err));
        for (size_t i = 0; i < count && h->final_softcap > 0; i++)
            d->ctx->kernels->softcap(logits + i * h->vocab, h->vocab, h->final_softcap);
    }
    cso_profile_leave(phase);
    return CSO_OK;
}

cso_status cso_decode_batch(cso_decoder *d, cso_error *err) {
    size_t n_layers = d->model->hparams.n_layers;
    CSO_TRY(make_room(d, err));
    CSO_TRY(make_rope(d, err));
    block b = {.decoder = d, .norm = n_layers ? d->model->layers[0].input_norm : d->model->final_norm};
    on_rows(&b, embed_rows);
    on_rows(&b, norm_rows);
    for (size_t layer = 0; layer < n_layers; layer++) {
        b.layer = layer;
        b.weights = &d->model->layers[layer];
        CSO_TRY(forward_block(&b, layer + 1 < n_layers ? d->model->layers[layer + 1].input_norm : d->model->final_norm, err));
    }
    return make_logits(d, err);
}
