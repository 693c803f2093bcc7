/* decode_attention.c - attention of a batch's rows over the pages of their sessions.
 *
 * The rows of a batch are in the order of a walk over the tree, so that those which share pages are neighbours. A task takes up to
 * TILE_ROWS of them with one head of keys and values, and goes through the pages by depth: all its rows that have the same page,
 * with every query head of the group, are one dense block against the page's keys, and then against its values. Each row keeps a
 * running maximum m, the sum l of exp(s - m) and the sum of exp(s - m) v (flash attention):
 *   m' = max(m, max s), l = l exp(m - m') + sum exp(s - m'), out = out exp(m - m') + sum exp(s - m') v.
 *
 * Pages are cut by position, and RANGE_PAGES pages by position are a range: each row makes one result for a range, and adds the
 * results up in order. So a row's arithmetic is a function of its position and of what it attends to, and where the batch has few
 * rows the ranges are tasks of their own.
 */
#include "decode_state.h"

#include "base/profile.h"

#include <math.h>
#include <string.h>

/* Few tiles means fewer than ENOUGH_TASKS tasks without ranges. */
enum { TILE_ROWS = 32, RANGE_PAGES = 4, ENOUGH_TASKS = 16 };

typedef struct attention_job {
    const cso_decoder *decoder;
    size_t layer, window; /* window 0: none */
    size_t group;         /* query heads of a head of keys */
    size_t ranges;        /* of the deepest row */
    float *partials;      /* (tiles, G, ranges, partial) results, where ranges are tasks */
} attention_job;

/* Neighbouring rows and a head of keys: what a task works on, in its thread's buffers. */
typedef struct tile {
    const attention_job *job;
    const cso_row *rows;
    size_t count, head;
    float *q;      /* (count * group, E) scaled */
    float *scores; /* (count * group, CSO_KV_PAGE) of one page */
} tile;

/* Results of a tile: for each row and query head m, l and out (E). */
typedef struct partial {
    float *m, *out;
    double *l;
} partial;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t partial_floats(const attention_job *job) {
    return TILE_ROWS * job->group * (job->decoder->tree.head_dim + 3);
}

static partial carve_partial(const attention_job *job, float *at) {
    size_t n = TILE_ROWS * job->group;
    return (partial){.l = (double *)(void *)at, .m = at + 2 * n, .out = at + 3 * n};
}

/* The positions of a page that a row sees: columns low .. high of it. */
typedef struct columns {
    size_t low, high;
} columns;

static columns seen_columns(const attention_job *job, const cso_row *row, size_t page) {
    size_t begin = page * CSO_KV_PAGE, end = (size_t)row->position + 1;
    size_t first = job->window && end > job->window ? end - job->window : 0;
    if (begin >= end || first >= begin + CSO_KV_PAGE)
        return (columns){0, 0};
    return (columns){first > begin ? first - begin : 0, smaller(end - begin, CSO_KV_PAGE)};
}

/* Rows first .. first + count of the tile, which have the same page at this depth. */
static void attend_page(const tile *t, size_t first, size_t count, size_t page, const partial *p) {
    const attention_job *job = t->job;
    const cso_kv_tree *tree = &job->decoder->tree;
    const cso_kernels *kernels = job->decoder->ctx->kernels;
    const cso_row *rows = t->rows + first;
    float cap = job->decoder->model->hparams.attention_softcap;
    size_t e = tree->head_dim, group = job->group, width = 0;
    const void *keys = cso_kv_block(tree, rows->pages[page], job->layer, t->head, false);
    const void *values = cso_kv_block(tree, rows->pages[page], job->layer, t->head, true);
    /* What is read next: the first row's keys of its next page. Most often it has one. */
    const void *next =
        seen_columns(job, rows, page + 1).high ? cso_kv_block(tree, rows->pages[page + 1], job->layer, t->head, false) : NULL;
    for (size_t i = 0; i < count; i++)
        width = larger(width, seen_columns(job, &rows[i], page).high);
    width = smaller((width + 15) / 16 * 16, CSO_KV_PAGE);
    const float *q = t->q + first * group * e;
    if (tree->half)
        kernels->mix_f16(t->scores, CSO_KV_PAGE, q, e, count * group, keys, CSO_KV_PAGE, width, e, 0, values);
    else
        kernels->mix(t->scores, CSO_KV_PAGE, q, e, count * group, keys, CSO_KV_PAGE, width, e, 0, values);
    for (size_t i = 0, end; i < count; i = end) { /* rows that see the same columns */
        columns seen = seen_columns(job, &rows[i], page);
        for (end = i; end < count; end++) {
            columns other = seen_columns(job, &rows[end], page);
            if (other.low != seen.low || other.high != seen.high)
                break;
        }
        float *out = p->out + (first + i) * group * e, *scores = t->scores + i * group * CSO_KV_PAGE + seen.low;
        size_t n = (end - i) * group, k = seen.high - seen.low, at = (first + i) * group;
        if (cap > 0)
            for (size_t r = 0; r < n; r++)
                kernels->softcap(scores + r * CSO_KV_PAGE, k, cap);
        kernels->softmax_step(scores, CSO_KV_PAGE, n, k, p->m + at, p->l + at, out, e);
        if (tree->half)
            kernels->mix_f16(out, e, scores, CSO_KV_PAGE, n, (const uint16_t *)values + seen.low * e, e, e, k, 1, next);
        else
            kernels->mix(out, e, scores, CSO_KV_PAGE, n, (const float *)values + seen.low * e, e, e, k, 1, next);
    }
}

/* The result of one range. */
static void attend_range(const tile *t, size_t range, const partial *p) {
    const attention_job *job = t->job;
    const cso_row *rows = t->rows;
    size_t n = t->count * job->group;
    for (size_t i = 0; i < n; i++) {
        p->m[i] = -INFINITY;
        p->l[i] = 0;
    }
    memset(p->out, 0, n * job->decoder->tree.head_dim * sizeof *p->out);
    for (size_t page = range * RANGE_PAGES; page < (range + 1) * RANGE_PAGES; page++)
        for (size_t i = 0, end; i < t->count; i = end) {
            end = i + 1;
            if (!seen_columns(job, &rows[i], page).high)
                continue;
            while (end < t->count && seen_columns(job, &rows[end], page).high && rows[end].pages[page] == rows[i].pages[page])
                end++;
            attend_page(t, i, end - i, page, p);
        }
}

/* sum += a later range's result. */
static void add_partial(const attention_job *job, const partial *sum, const partial *p, size_t n) {
    const cso_kernels *kernels = job->decoder->ctx->kernels;
    size_t e = job->decoder->tree.head_dim;
    for (size_t i = 0; i < n; i++) {
        if (p->l[i] == 0)
            continue;
        float *out = sum->out + i * e, most = sum->m[i] >= p->m[i] ? sum->m[i] : p->m[i];
        if (sum->l[i] == 0) {
            memcpy(out, p->out + i * e, e * sizeof *out);
            sum->l[i] = p->l[i];
            sum->m[i] = p->m[i];
            continue;
        }
        float keep = expf(sum->m[i] - most), take = expf(p->m[i] - most);
        kernels->scale(out, keep, e);
        kernels->axpy(out, p->out + i * e, take, e);
        sum->l[i] = sum->l[i] * (double)keep + p->l[i] * (double)take;
        sum->m[i] = most;
    }
}

static tile tile_at(const attention_job *job, size_t index, size_t head, float *scratch) {
    size_t first = index * TILE_ROWS, count = smaller(TILE_ROWS, job->decoder->n_rows - first);
    return (tile){.job = job,
                  .rows = job->decoder->rows + first,
                  .count = count,
                  .head = head,
                  .q = scratch,
                  .scores = scratch + TILE_ROWS * job->group * job->decoder->tree.head_dim};
}

static size_t scratch_floats(const attention_job *job) {
    return TILE_ROWS * job->group * (job->decoder->tree.head_dim + CSO_KV_PAGE) + 2 * partial_floats(job);
}

static void gather_queries(const tile *t) {
    const cso_decoder *d = t->job->decoder;
    size_t width = t->job->group * d->tree.head_dim, first = (size_t)(t->rows - d->rows);
    for (size_t i = 0; i < t->count; i++)
        memcpy(t->q + i * width, d->buffers.q + (first + i) * d->tree.heads * width + t->head * width, width * sizeof *t->q);
    d->ctx->kernels->scale(t->q, d->model->hparams.attention_scale, t->count * width);
}

static void put_result(const tile *t, const partial *sum) {
    const cso_decoder *d = t->job->decoder;
    size_t e = d->tree.head_dim, group = t->job->group, first = (size_t)(t->rows - d->rows);
    for (size_t i = 0; i < t->count * group; i++) {
        float *out = d->buffers.attended + ((first + i / group) * d->tree.heads * group + t->head * group + i % group) * e;
        memcpy(out, sum->out + i * e, e * sizeof *out);
        d->ctx->kernels->scale(out, (float)(1 / sum->l[i]), e);
    }
}

/* Task (tile, head): all ranges, one after the other. */
static void whole_task(void *context, size_t index, int thread) {
    const attention_job *job = context;
    size_t heads = job->decoder->tree.heads;
    float *at = cso_scratch(job->decoder->ctx->pool, thread);
    const tile t = tile_at(job, index / heads, index % heads, at + 2 * partial_floats(job));
    partial sum = carve_partial(job, at), p = carve_partial(job, at + partial_floats(job));
    gather_queries(&t);
    attend_range(&t, 0, &sum);
    for (size_t range = 1; range < job->ranges; range++) {
        attend_range(&t, range, &p);
        add_partial(job, &sum, &p, t.count * job->group);
    }
    put_result(&t, &sum);
}

/* Task (tile, head, range). */
static void range_task(void *context, size_t index, int thread) {
    const attention_job *job = context;
    size_t heads = job->decoder->tree.heads, which = index / job->ranges;
    const tile t = tile_at(job, which / heads, which % heads, cso_scratch(job->decoder->ctx->pool, thread));
    const partial p = carve_partial(job, job->partials + index * partial_floats(job));
    gather_queries(&t);
    attend_range(&t, index % job->ranges, &p);
}

/* Adds the ranges of a (tile, head) up, in order. */
static void merge_ranges(const attention_job *job, size_t index) {
    size_t heads = job->decoder->tree.heads;
    float *at = job->partials + index * job->ranges * partial_floats(job);
    const tile t = tile_at(job, index / heads, index % heads, at); /* its buffers are not used */
    const partial sum = carve_partial(job, at);
    for (size_t range = 1; range < job->ranges; range++) {
        partial p = carve_partial(job, at + range * partial_floats(job));
        add_partial(job, &sum, &p, t.count * job->group);
    }
    put_result(&t, &sum);
}

cso_status cso_decode_attention(cso_decoder *d, size_t layer, cso_error *err) {
    const cso_hparams *h = &d->model->hparams;
    attention_job job = {.decoder = d,
                         .layer = layer,
                         .window = h->window && layer % h->window_every == 0 ? h->window : 0,
                         .group = h->n_heads / h->n_kv_heads};
    size_t tiles = (d->n_rows + TILE_ROWS - 1) / TILE_ROWS, deepest = 0;
    for (size_t i = 0; i < d->n_rows; i++)
        deepest = larger(deepest, (size_t)d->rows[i].position);
    job.ranges = deepest / (RANGE_PAGES * CSO_KV_PAGE) + 1;
    cso_phase phase = cso_profile_enter(CSO_PHASE_ATTENTION);
    CSO_TRY(cso_scratch_reserve(d->ctx->pool, scratch_floats(&job) * sizeof(float), err));
    if (job.ranges == 1 || tiles * h->n_kv_heads >= ENOUGH_TASKS) {
        cso_parallel_for(d->ctx->pool, tiles * h->n_kv_heads, whole_task, &job);
    } else {
        size_t tasks = tiles * h->n_kv_heads * job.ranges;
        CSO_TRY(cso_decode_reserve(&d->partials, &d->partial_floats, tasks * partial_floats(&job), err));
        job.partials = d->partials;
        cso_parallel_for(d->ctx->pool, tasks, range_task, &job);
        for (size_t i = 0; i < tiles * h->n_kv_heads; i++) /* little work: not worth waking threads */
            merge_ranges(&job, i);
    }
    cso_profile_leave(phase);
    return CSO_OK;
}
