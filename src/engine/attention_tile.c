/* attention_tile.c - gathers and scatters the rows of a query tile. */
#include "attention_tile.h"

#include "kernels/kernels.h"

#include <string.h>

size_t cso_tile_floats(const cso_attention *a, bool backward) {
    const cso_hparams *h = a->hparams;
    size_t rows = h->n_heads / h->n_kv_heads * a->plan->tile_rows, keys = a->list->max_keys, e = h->head_dim;
    return rows * keys * (backward ? 2 : 1) + 2 * rows * e + keys * e * (backward ? 4 : 2) + 2 * keys;
}

size_t cso_attention_scratch(const cso_attention_plan *plan, const cso_hparams *hparams, bool backward) {
    cso_attention a = {.plan = plan, .list = &plan->all, .hparams = hparams}; /* the nodes' tiles are not larger */
    return cso_tile_floats(&a, backward) * sizeof(float);
}

cso_tile_buffers cso_tile_carve(float *base, const cso_attention *a, bool backward) {
    const cso_hparams *h = a->hparams;
    size_t rows = h->n_heads / h->n_kv_heads * a->plan->tile_rows, keys = a->list->max_keys, e = h->head_dim;
    cso_tile_buffers b = {.scores = base};
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

void cso_tile_key_range(const cso_attention *a, const cso_query_tile *tile, size_t *first, size_t *count) {
    size_t position = (size_t)tile->position;
    *first = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    *count = position + (size_t)tile->count - *first;
}

cso_visible cso_tile_visible(const cso_attention *a, const cso_query_tile *tile, size_t first, size_t i) {
    const cso_own_columns *own = &a->list->own[(size_t)tile->first_own + i];
    size_t shared = (size_t)tile->position, start = (size_t)own->start;
    size_t position = shared + (size_t)own->end - 1 - start, end = shared + (size_t)own->end - first;
    size_t low = a->window && position + 1 > a->window ? position + 1 - a->window : 0;
    if (low >= shared)
        return (cso_visible){{0, low + start - first}, {0, end}};
    if (start == 0)
        return (cso_visible){{0, low - first}, {0, end}};
    return (cso_visible){{low - first, shared + start - first}, {shared - first, end}};
}

void cso_tile_clear_hidden(float *row, size_t keys, const cso_visible *v) {
    size_t middle = v->high[0] > v->low[0] ? v->high[0] : 0;
    if (middle)
        memset(row, 0, v->low[0] * sizeof *row);
    memset(row + middle, 0, (v->low[1] - middle) * sizeof *row);
    memset(row + v->high[1], 0, (keys - v->high[1]) * sizeof *row);
}

void cso_tile_list_keys(const cso_attention *a, const cso_query_tile *tile, size_t skip, size_t keys, int32_t *key_rows) {
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

void cso_tile_gather_keys(const cso_attention *a, size_t g, size_t keys, cso_tile_buffers *b) {
    size_t e = a->hparams->head_dim, stride = a->hparams->n_kv_heads * e;
    for (size_t j = 0; j < keys; j++) {
        memcpy(b->k + j * e, a->k + (size_t)b->key_rows[j] * stride + g * e, e * sizeof(float));
        memcpy(b->v + j * e, a->v + (size_t)b->key_rows[j] * stride + g * e, e * sizeof(float));
    }
}

void cso_tile_scatter_keys(const cso_attention *a, size_t g, size_t keys, const cso_tile_buffers *b, float *dk, float *dv) {
    const cso_kernels *kernels = a->ctx->kernels;
    size_t e = a->hparams->head_dim, stride = a->hparams->n_kv_heads * e;
    for (size_t j = 0; j < keys; j++) {
        kernels->add(dk + (size_t)b->key_rows[j] * stride + g * e, b->dk + j * e, e);
        kernels->add(dv + (size_t)b->key_rows[j] * stride + g * e, b->dv + j * e, e);
    }
}

void cso_tile_gather_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *x, float factor,
                           float *block) {
    size_t e = a->hparams->head_dim, heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads,
           count = (size_t)tile->queries;
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            const float *from = x + (((size_t)tile->query + i) * heads + g * group + r) * e;
            float *to = block + (r * count + i) * e;
            for (size_t j = 0; j < e; j++)
                to[j] = factor * from[j];
        }
}

void cso_tile_scatter_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *block, float factor,
                            float *x) {
    size_t e = a->hparams->head_dim, heads = a->hparams->n_heads, group = heads / a->hparams->n_kv_heads,
           count = (size_t)tile->queries;
    for (size_t r = 0; r < group; r++)
        for (size_t i = 0; i < count; i++) {
            float *to = x + (((size_t)tile->query + i) * heads + g * group + r) * e;
            const float *from = block + (r * count + i) * e;
            for (size_t j = 0; j < e; j++)
                to[j] = factor * from[j];
        }
}
