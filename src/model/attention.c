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
#include "attention.h"

#include "cso/gemm.h"
#include "cso/kernels.h"
#include "cso/parallel.h"
#include "cso/profile.h"
#include "rows.h"

#include <math.h>
#include <string.h>

/* Tasks of a backward pass that a model should at least have, so that a few threads are busy. */
enum { BACKWARD_TASKS = 8, REDUCE_TILE = 1 << 14 };

/* A task's buffers in the thread's scratch. Row r * count + i is query i of head r of the group. */
typedef struct tile_buffers {
    float *scores, *dscores; /* (group * tile_rows, max_keys) */
    float *q, *out;          /* (group * tile_rows, E) */
    float *k, *v, *dk, *dv;  /* (max_keys, E) */
    float *row;              /* (max_keys) */
    int32_t *key_rows;       /* (max_keys) the layout's row of each key column */
} tile_buffers;

typedef struct attention_job {
    const cso_attention *attention;
    const float *dout;
    float *dq, *dk, *dv;
    size_t partials;
    const size_t *chunk_first; /* (partials + 1) tiles of each part */
} attention_job;

static size_t buffer_floats(const cso_attention_plan *plan, const cso_hparams *h, bool backward) {
    size_t rows = h->n_heads / h->n_kv_heads * plan->tile_rows, keys = plan->max_keys, e = h->head_dim;
    return rows * keys * (backward ? 2 : 1) + 2 * rows * e + keys * e * (backward ? 4 : 2) + 2 * keys;
}

static tile_buffers carve(float *base, const cso_attention_plan *plan, const cso_hparams *h, bool backward) {
    size_t rows = h->n_heads / h->n_kv_heads * plan->tile_rows, keys = plan->max_keys, e = h->head_dim;
    tile_buffers b = {.scores = base};
    base += rows * keys;
    b.q = base;
    base += rows * e;
    b.out = base;
    base += rows * e;
    b.k = base;
    base += keys * e;
    b.v = base;
    base += keys * e;
    b.row = base;
    base += keys;
    b.key_rows = (int32_t *)base;
    base += keys;
    if (backward) {
        b.dscores = base;
        base += rows * keys;
        b.dk = base;
        base += keys * e;
        b.dv = base;
    }
    return b;
}

/* The first key column any query of the tile sees, and how many follow. */
static void key_range(const cso_attention *a, const cso_query_tile *tile, size_t *first, size_t *count) {
    size_t position = (size_t)tile->position;
    *first = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    *count = position + (size_t)tile->count - *first;
}

/* The columns [low, high) of the tile's block that a query sees, in two spans, either of which may be empty. */
typedef struct visible {
    size_t low[2], high[2];
} visible;

static visible visible_to(const cso_attention *a, const cso_query_tile *tile, size_t first, size_t i) {
    size_t shared = (size_t)tile->position, start = (size_t)a->plan->starts[(size_t)tile->first_start + i];
    size_t position = shared + i - start, end = shared + i + 1 - first;
    size_t low = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    if (low >= shared)
        return (visible){{0, low + start - first}, {0, end}};
    if (start == 0)
        return (visible){{0, low - first}, {0, end}};
    return (visible){{low - first, shared + start - first}, {shared - first, end}};
}

/* Zeros in all other columns. */
static void clear_hidden(float *row, size_t keys, const visible *v) {
    size_t middle = v->high[0] > v->low[0] ? v->high[0] : 0;
    if (middle)
        memset(row, 0, v->low[0] * sizeof *row);
    memset(row + middle, 0, (v->low[1] - middle) * sizeof *row);
    memset(row + v->high[1], 0, (keys - v->high[1]) * sizeof *row);
}

/* Lists the layout's rows of the tile's keys, from column `skip` on. */
static void list_keys(const cso_attention *a, const cso_query_tile *tile, size_t skip, size_t keys, int32_t *key_rows) {
    size_t column = 0, shared = (size_t)tile->position > skip ? (size_t)tile->position - skip : 0;
    for (const cso_run *run = &a->plan->runs[tile->first_run]; column < shared; run++) {
        size_t n = (size_t)run->count;
        for (size_t i = skip < n ? skip : n; i < n && column < shared; i++)
            key_rows[column++] = run->first + (int32_t)i;
        skip -= skip < n ? skip : n;
    }
    for (int32_t i = 0; column < keys; i++)
        key_rows[column++] = tile->row + i;
}

static void gather_keys(const cso_attention *a, size_t g, size_t keys, tile_buffers *b) {
    size_t e = a->hparams->head_dim, stride = a->hparams->n_kv_heads * e;
    for (size_t j = 0; j < keys; j++) {
        memcpy(b->k + j * e, a->k + (size_t)b->key_rows[j] * stride + g * e, e * sizeof(float));
        memcpy(b->v + j * e, a->v + (size_t)b->key_rows[j] * stride + g * e, e * sizeof(float));
    }
}

/* Adds the tile's dk and dv to their rows. */
static void scatter_keys(const cso_attention *a, size_t g, size_t keys, const tile_buffers *b, float *dk, float *dv) {
    const cso_kernels *kernels = cso_kernels_get();
    size_t e = a->hparams->head_dim, stride = a->hparams->n_kv_heads * e;
    for (size_t j = 0; j < keys; j++) {
        kernels->add(dk + (size_t)b->key_rows[j] * stride + g * e, b->dk + j * e, e);
        kernels->add(dv + (size_t)b->key_rows[j] * stride + g * e, b->dv + j * e, e);
    }
}

/* The tile's rows of x (rows, H, E), heads of group g, times factor. */
static void gather_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *x, float factor, float *block) {
    size_t e = a->hparams->head_dim, heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads,
           count = (size_t)tile->count;
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            const float *from = x + (((size_t)tile->row - a->row_offset + i) * heads + g * group + r) * e;
            float *to = block + (r * count + i) * e;
            for (size_t j = 0; j < e; j++)
                to[j] = factor * from[j];
        }
}

static void scatter_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *block, float factor,
                          float *x) {
    size_t e = a->hparams->head_dim, heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads,
           count = (size_t)tile->count;
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            float *to = x + (((size_t)tile->row - a->row_offset + i) * heads + g * group + r) * e;
            const float *from = block + (r * count + i) * e;
            for (size_t j = 0; j < e; j++)
                to[j] = factor * from[j];
        }
}

/* S = (scale Q) K^T for the whole tile; leaves scale Q in b->q. */
static void score(const cso_attention *a, const cso_query_tile *tile, size_t g, size_t keys, tile_buffers *b) {
    size_t e = a->hparams->head_dim, rows = a->hparams->n_heads / a->hparams->n_kv_heads * (size_t)tile->count;
    gather_heads(a, tile, g, a->q, a->hparams->attention_scale, b->q);
    cso_sgemm_serial(false, true, rows, keys, e, 1, b->q, e, b->k, e, 0, b->scores, keys);
}

static size_t lse_index(const cso_attention *a, const cso_query_tile *tile, size_t g, size_t r, size_t i) {
    size_t heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads;
    return ((size_t)tile->row - a->row_offset + i) * heads + g * group + r;
}

/* A row of scores becomes one of probabilities; returns its log-sum-exp. */
static float softmax_row(float *row, size_t keys, const visible *seen, float cap) {
    const cso_kernels *kernels = cso_kernels_get();
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
    clear_hidden(row, keys, seen);
    return (float)((double)max + log(sum));
}

static void forward_tile(void *context, size_t index, int thread) {
    const attention_job *job = context;
    const cso_attention *a = job->attention;
    const cso_hparams *h = a->hparams;
    size_t g = index % h->n_kv_heads, group = h->n_heads / h->n_kv_heads, e = h->head_dim;
    const cso_query_tile *tile = &a->plan->tiles[index / h->n_kv_heads];
    tile_buffers b = carve(cso_scratch(thread), a->plan, h, false);
    size_t skip, keys, count = (size_t)tile->count;
    key_range(a, tile, &skip, &keys);
    list_keys(a, tile, skip, keys, b.key_rows);
    gather_keys(a, g, keys, &b);
    score(a, tile, g, keys, &b);
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            visible seen = visible_to(a, tile, skip, i);
            a->lse[lse_index(a, tile, g, r, i)] = softmax_row(b.scores + (r * count + i) * keys, keys, &seen, h->attention_softcap);
        }
    cso_sgemm_serial(false, false, group * count, e, keys, 1, b.scores, keys, b.v, e, 0, b.out, e);
    scatter_heads(a, tile, g, b.out, 1, a->out);
}

cso_status cso_attention_forward(const cso_attention *attention, cso_error *err) {
    const cso_attention_plan *plan = attention->plan;
    CSO_TRY(cso_scratch_reserve(buffer_floats(plan, attention->hparams, false) * sizeof(float), err));
    attention_job job = {.attention = attention};
    cso_phase phase = cso_profile_enter(CSO_PHASE_ATTENTION);
    cso_parallel_for(plan->n_tiles * attention->hparams->n_kv_heads, forward_tile, &job);
    cso_profile_leave(phase);
    return CSO_OK;
}

size_t cso_attention_partials(const cso_hparams *hparams) {
    return (BACKWARD_TASKS + hparams->n_kv_heads - 1) / hparams->n_kv_heads;
}

/* dS of one query from its row of scores (turned into P) and of dP (turned into dS). */
static void backward_row(const cso_attention *a, float *p, float *ds, size_t keys, const visible *seen, float lse, float delta,
                         float *capped) {
    const cso_kernels *kernels = cso_kernels_get();
    float cap = a->hparams->attention_softcap;
    for (int span = 0; span < 2; span++) {
        float *x = p + seen->low[span];
        size_t n = seen->high[span] - seen->low[span];
        if (cap > 0) {
            kernels->softcap(x, n, cap);
            memcpy(capped + seen->low[span], x, n * sizeof *p);
        }
        kernels->exp_sum(x, n, lse);
    }
    clear_hidden(p, keys, seen);
    for (size_t j = 0; j < keys; j++)
        ds[j] = p[j] * (ds[j] - delta);
    for (int span = 0; span < 2 && cap > 0; span++)
        kernels->softcap_backward(ds + seen->low[span], capped + seen->low[span], seen->high[span] - seen->low[span], cap);
}

static void backward_one(const attention_job *job, const cso_query_tile *tile, size_t g, float *dk, float *dv, int thread) {
    const cso_attention *a = job->attention;
    const cso_hparams *h = a->hparams;
    const cso_kernels *kernels = cso_kernels_get();
    size_t group = h->n_heads / h->n_kv_heads, e = h->head_dim, count = (size_t)tile->count, rows = group * count;
    tile_buffers b = carve(cso_scratch(thread), a->plan, h, true);
    size_t skip, keys;
    key_range(a, tile, &skip, &keys);
    list_keys(a, tile, skip, keys, b.key_rows);
    gather_keys(a, g, keys, &b);
    score(a, tile, g, keys, &b);
    gather_heads(a, tile, g, job->dout, 1, b.out);
    cso_sgemm_serial(false, true, rows, keys, e, 1, b.out, e, b.v, e, 0, b.dscores, keys);
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            size_t at = lse_index(a, tile, g, r, i);
            visible seen = visible_to(a, tile, skip, i);
            float delta = (float)kernels->dot(b.out + (r * count + i) * e, a->out + at * e, e);
            float *p = b.scores + (r * count + i) * keys, *ds = b.dscores + (r * count + i) * keys;
            backward_row(a, p, ds, keys, &seen, a->lse[at], delta, b.row);
        }
    cso_sgemm_serial(true, false, keys, e, rows, 1, b.scores, keys, b.out, e, 0, b.dv, e);
    cso_sgemm_serial(true, false, keys, e, rows, 1, b.dscores, keys, b.q, e, 0, b.dk, e);
    scatter_keys(a, g, keys, &b, dk, dv);
    cso_sgemm_serial(false, false, rows, e, keys, 1, b.dscores, keys, b.k, e, 0, b.out, e);
    scatter_heads(a, tile, g, b.out, h->attention_scale, job->dq);
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
        backward_one(job, &job->attention->plan->tiles[t], g, job->dk + offset, job->dv + offset, thread);
}

/* Cuts the tiles into `parts` runs of about equal work. */
static void cut_tiles(const cso_attention_plan *plan, size_t parts, size_t *chunk_first) {
    double total = 0, done = 0;
    for (size_t t = 0; t < plan->n_tiles; t++)
        total += (double)plan->tiles[t].count * (plan->tiles[t].position + plan->tiles[t].count);
    size_t part = 1;
    chunk_first[0] = 0;
    for (size_t t = 0; t < plan->n_tiles; t++) {
        while (part < parts && done >= total * (double)part / (double)parts)
            chunk_first[part++] = t;
        done += (double)plan->tiles[t].count * (plan->tiles[t].position + plan->tiles[t].count);
    }
    while (part <= parts)
        chunk_first[part++] = plan->n_tiles;
}

typedef struct reduce_job {
    float *sum[2];
    size_t n, partials;
} reduce_job;

static void reduce_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const reduce_job *job = context;
    for (int which = 0; which < 2; which++)
        for (size_t part = 1; part < job->partials; part++)
            cso_kernels_get()->add(job->sum[which] + first, job->sum[which] + part * job->n + first, count);
}

cso_status cso_attention_backward(const cso_attention *attention, const float *dout, float *dq, float *dk, float *dv,
                                  cso_error *err) {
    const cso_hparams *h = attention->hparams;
    size_t chunk_first[BACKWARD_TASKS + 1], partials = cso_attention_partials(h);
    CSO_TRY(cso_scratch_reserve(buffer_floats(attention->plan, h, true) * sizeof(float), err));
    cso_phase phase = cso_profile_enter(CSO_PHASE_ATTENTION);
    cut_tiles(attention->plan, partials, chunk_first);
    attention_job job = {attention, dout, dq, dk, dv, partials, chunk_first};
    cso_parallel_for(partials * h->n_kv_heads, backward_task, &job);
    reduce_job reduce = {{dk, dv}, attention->n_rows * h->n_kv_heads * h->head_dim, partials};
    cso_rows(reduce.n, REDUCE_TILE, reduce_tile, &reduce);
    cso_profile_leave(phase);
    return CSO_OK;
}
