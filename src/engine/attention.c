/* attention.c - the arithmetic of tree attention, one task for each query tile and key-value head.
 *
 * A task gathers the keys and values of its tile's ancestors into one dense block each and then needs only plain matrix
 * products:
 *   S = scale Q K^T, P = softmax(S) row by row within the causal (and window) bounds, O = P V
 * and back, with lse kept from the forward pass and delta_i = dO_i . O_i:
 *   P = exp(S - lse), dV = P^T dO, dP = dO V^T, dS = P (dP - delta), dQ = scale dS K, dK = scale dS^T Q.
 * Keys are shared by many tiles, so dK and dV are summed into a few partial arrays, each filled by one task in a fixed order of
 * tiles, and added up at the end: the bits do not depend on the number of threads.
 */
#include "attention_tile.h"

#include "base/parallel.h"
#include "base/profile.h"
#include "kernels/gemm/gemm.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* A backward pass has at least BACKWARD_TASKS tasks, to keep a few threads busy, and a multiple of TASKS_UNIT, so that none of a
 * few threads is idle at the end. */
enum { BACKWARD_TASKS = 8, TASKS_UNIT = 4, MAX_PARTIALS = 8, REDUCE_TILE = 1 << 14 };

typedef struct attention_job {
    const cso_attention *attention;
    const float *dout;
    float *dq, *dk, *dv;
    size_t partials;
    const size_t *chunk_first; /* (partials + 1) tiles of each part */
} attention_job;

/* S = (scale Q) K^T for the whole tile; leaves scale Q in b->q. */
static void score(const cso_attention *a, const cso_query_tile *tile, size_t g, size_t keys, cso_tile_buffers *b) {
    size_t e = a->hparams->head_dim, rows = a->hparams->n_heads / a->hparams->n_kv_heads * (size_t)tile->queries;
    cso_tile_gather_heads(a, tile, g, a->q, a->hparams->attention_scale, b->q);
    cso_sgemm_serial(a->ctx, false, true, rows, keys, e, 1, b->q, e, b->k, e, 0, b->scores, keys);
}

static size_t lse_index(const cso_attention *a, const cso_query_tile *tile, size_t g, size_t r, size_t i) {
    size_t heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads;
    return ((size_t)tile->query + i) * heads + g * group + r;
}

/* A row of scores becomes one of probabilities; returns its log-sum-exp. */
static float softmax_row(const cso_kernels *kernels, float *row, size_t keys, const cso_visible *seen, float cap) {
    float max = -INFINITY;
    double sum = 0;
    for (int span = 0; span < 2; span++) {
        float *x = row + seen->low[span];
        size_t n = seen->high[span] - seen->low[span];
        if (n && cap > 0)
            kernels->softcap(x, n, cap);
        float most = n ? kernels->max(x, n) : max;
        max = most > max || isnan(most) ? most : max;
    }
    for (int span = 0; span < 2; span++)
        sum += kernels->exp_sum(row + seen->low[span], seen->high[span] - seen->low[span], max);
    for (int span = 0; span < 2; span++)
        kernels->scale(row + seen->low[span], (float)(1 / sum), seen->high[span] - seen->low[span]);
    cso_tile_clear_hidden(row, keys, seen);
    return (float)((double)max + log(sum));
}

static void forward_tile(void *context, size_t index, int thread) {
    const attention_job *job = context;
    const cso_attention *a = job->attention;
    const cso_hparams *h = a->hparams;
    size_t g = index % h->n_kv_heads, group = h->n_heads / h->n_kv_heads, e = h->head_dim;
    const cso_query_tile *tile = &a->list->tiles[index / h->n_kv_heads];
    cso_tile_buffers b = cso_tile_carve(cso_scratch(a->ctx->pool, thread), a, false);
    size_t skip, keys, count = (size_t)tile->queries;
    cso_tile_key_range(a, tile, &skip, &keys);
    cso_tile_list_keys(a, tile, skip, keys, b.key_rows);
    cso_tile_gather_keys(a, g, keys, &b);
    score(a, tile, g, keys, &b);
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            cso_visible seen = cso_tile_visible(a, tile, skip, i);
            a->lse[lse_index(a, tile, g, r, i)] =
                softmax_row(a->ctx->kernels, b.scores + (r * count + i) * keys, keys, &seen, h->attention_softcap);
        }
    cso_sgemm_serial(a->ctx, false, false, group * count, e, keys, 1, b.scores, keys, b.v, e, 0, b.out, e);
    cso_tile_scatter_heads(a, tile, g, b.out, 1, a->out);
}

cso_status cso_attention_forward(const cso_attention *attention, cso_error *err) {
    CSO_TRY(cso_scratch_reserve(attention->ctx->pool, cso_tile_floats(attention, false) * sizeof(float), err));
    attention_job job = {.attention = attention};
    cso_phase phase = cso_profile_enter(CSO_PHASE_ATTENTION);
    cso_parallel_for(attention->ctx->pool, attention->list->n_tiles * attention->hparams->n_kv_heads, forward_tile, &job);
    cso_profile_leave(phase);
    return CSO_OK;
}

size_t cso_attention_partials(const cso_hparams *hparams) {
    size_t heads = hparams->n_kv_heads, partials = (BACKWARD_TASKS + heads - 1) / heads;
    while (partials > 1 && partials < MAX_PARTIALS && partials * heads % TASKS_UNIT)
        partials++;
    return partials;
}

/* One query, row `row` of the tile's blocks: scores becomes P, dscores from dP to dS. delta = dO . O. */
static void backward_row(const cso_attention *a, const cso_tile_buffers *b, size_t row, size_t keys, const cso_visible *seen,
                         float lse, float delta) {
    const cso_kernels *kernels = a->ctx->kernels;
    float cap = a->hparams->attention_softcap, *capped = b->row;
    float *p = b->scores + row * keys, *ds = b->dscores + row * keys;
    for (int span = 0; span < 2; span++) {
        float *x = p + seen->low[span];
        size_t n = seen->high[span] - seen->low[span];
        if (cap > 0) {
            kernels->softcap(x, n, cap);
            memcpy(capped + seen->low[span], x, n * sizeof *p);
        }
        kernels->exp_sum(x, n, lse);
    }
    cso_tile_clear_hidden(p, keys, seen);
    for (size_t j = 0; j < keys; j++)
        ds[j] = p[j] * (ds[j] - delta);
    for (int span = 0; span < 2 && cap > 0; span++)
        kernels->softcap_backward(ds + seen->low[span], capped + seen->low[span], seen->high[span] - seen->low[span], cap);
}

static void backward_one(const attention_job *job, const cso_query_tile *tile, size_t g, float *dk, float *dv, int thread) {
    const cso_attention *a = job->attention;
    const cso_hparams *h = a->hparams;
    const cso_kernels *kernels = a->ctx->kernels;
    size_t group = h->n_heads / h->n_kv_heads, e = h->head_dim, count = (size_t)tile->queries, rows = group * count;
    cso_tile_buffers b = cso_tile_carve(cso_scratch(a->ctx->pool, thread), a, true);
    size_t skip, keys;
    cso_tile_key_range(a, tile, &skip, &keys);
    cso_tile_list_keys(a, tile, skip, keys, b.key_rows);
    cso_tile_gather_keys(a, g, keys, &b);
    score(a, tile, g, keys, &b);
    cso_tile_gather_heads(a, tile, g, job->dout, 1, b.out);
    cso_sgemm_serial(a->ctx, false, true, rows, keys, e, 1, b.out, e, b.v, e, 0, b.dscores, keys);
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            size_t at = lse_index(a, tile, g, r, i);
            cso_visible seen = cso_tile_visible(a, tile, skip, i);
            float delta = (float)kernels->dot(b.out + (r * count + i) * e, a->out + at * e, e);
            backward_row(a, &b, r * count + i, keys, &seen, a->lse[at], delta);
        }
    cso_sgemm_serial(a->ctx, true, false, keys, e, rows, 1, b.scores, keys, b.out, e, 0, b.dv, e);
    cso_sgemm_serial(a->ctx, true, false, keys, e, rows, 1, b.dscores, keys, b.q, e, 0, b.dk, e);
    cso_tile_scatter_keys(a, g, keys, &b, dk, dv);
    cso_sgemm_serial(a->ctx, false, false, rows, e, keys, 1, b.dscores, keys, b.k, e, 0, b.out, e);
    cso_tile_scatter_heads(a, tile, g, b.out, h->attention_scale, job->dq);
}

static void backward_task(void *context, size_t index, int thread) {
    const attention_job *job = context;
    const cso_hparams *h = job->attention->hparams;
    size_t g = index % h->n_kv_heads, part = index / h->n_kv_heads, n_rows = job->attention->n_rows;
    size_t e = h->head_dim, stride = h->n_kv_heads * e, offset = part * n_rows * stride;
    for (size_t row = 0; row < n_rows; row++) {
        memset(job->dk + offset + row * stride + g * e, 0, e * sizeof(float));
        memset(job->dv + offset + row * stride + g * e, 0, e * sizeof(float));
    }
    for (size_t t = job->chunk_first[part]; t < job->chunk_first[part + 1]; t++)
        backward_one(job, &job->attention->list->tiles[t], g, job->dk + offset, job->dv + offset, thread);
}

/* Cuts the tiles into `parts` consecutive parts of about equal work. */
static void cut_tiles(const cso_tile_list *list, size_t parts, size_t *chunk_first) {
    double total = 0, done = 0;
    for (size_t t = 0; t < list->n_tiles; t++)
        total += (double)list->tiles[t].queries * (list->tiles[t].position + list->tiles[t].count);
    size_t part = 1;
    chunk_first[0] = 0;
    for (size_t t = 0; t < list->n_tiles; t++) {
        while (part < parts && done >= total * (double)part / (double)parts)
            chunk_first[part++] = t;
        done += (double)list->tiles[t].queries * (list->tiles[t].position + list->tiles[t].count);
    }
    while (part <= parts)
        chunk_first[part++] = list->n_tiles;
}

typedef struct reduce_job {
    const cso_kernels *kernels;
    float *sum[2];
    size_t n, partials;
} reduce_job;

static void reduce_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const reduce_job *job = context;
    for (int which = 0; which < 2; which++)
        for (size_t part = 1; part < job->partials; part++)
            job->kernels->add(job->sum[which] + first, job->sum[which] + part * job->n + first, count);
}

cso_status cso_attention_backward(const cso_attention *attention, const float *dout, float *dq, float *dk, float *dv,
                                  cso_error *err) {
    const cso_hparams *h = attention->hparams;
    size_t chunk_first[MAX_PARTIALS + 1], partials = cso_attention_partials(h);
    CSO_TRY(cso_scratch_reserve(attention->ctx->pool, cso_tile_floats(attention, true) * sizeof(float), err));
    cso_phase phase = cso_profile_enter(CSO_PHASE_ATTENTION);
    cut_tiles(attention->list, partials, chunk_first);
    attention_job job = {attention, dout, dq, dk, dv, partials, chunk_first};
    cso_parallel_for(attention->ctx->pool, partials * h->n_kv_heads, backward_task, &job);
    reduce_job reduce = {attention->ctx->kernels, {dk, dv}, attention->n_rows * h->n_kv_heads * h->head_dim, partials};
    cso_rows(attention->ctx, reduce.n, REDUCE_TILE, reduce_tile, &reduce);
    cso_profile_leave(phase);
    return CSO_OK;
}
