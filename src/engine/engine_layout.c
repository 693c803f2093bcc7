/* engine_layout.c - cuts an engine's one block of memory into arrays. The same function measures (base NULL) and lays out, so a
 * plan cannot differ from the pass. */
#include "engine_state.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "model/family.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct bump {
    float *base; /* NULL: only measure */
    size_t used; /* floats */
} bump;

/* n floats, 64-byte aligned; NULL when measuring. */
static float *take(bump *memory, size_t n) {
    float *at = memory->base ? memory->base + memory->used : NULL;
    memory->used += (n + 15) / 16 * 16;
    return at;
}

static void take_activations(bump *memory, const cso_hparams *h, const cso_shape *shape, cso_activations *a) {
    size_t t = shape->n_tokens, rank = t * shape->rank, q = h->n_heads * h->head_dim, kv = h->n_kv_heads * h->head_dim;
    a->q = take(memory, t * q);
    a->k = take(memory, t * kv);
    a->v = take(memory, t * kv);
    a->attended = take(memory, t * q);
    a->lse = take(memory, t * h->n_heads);
    a->attention_out = h->post_norms ? take(memory, t * h->hidden) : NULL;
    a->mid = take(memory, t * h->hidden);
    a->gate = take(memory, t * h->ffn);
    a->up = take(memory, t * h->ffn);
    a->ffn_out = h->post_norms ? take(memory, t * h->hidden) : NULL;
    for (int i = 0; i < CSO_NORM_COUNT; i++)
        a->rstd[i] = take(memory, t);
    float *lora = take(memory, CSO_MODULE_COUNT * rank);
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        a->lora[m] = lora ? lora + (size_t)m * rank : NULL;
}

static void take_backward(bump *memory, cso_engine *engine, const cso_hparams *h, const cso_shape *shape) {
    size_t t = shape->n_tokens, kv = cso_attention_partials(h) * h->n_kv_heads * h->head_dim;
    engine->d = take(memory, t * h->hidden);
    engine->dnormed = take(memory, t * h->hidden);
    engine->dattended = take(memory, t * h->n_heads * h->head_dim);
    engine->dk = take(memory, t * kv);
    engine->dv = take(memory, t * kv);
    engine->dact = take(memory, t * h->ffn);
    engine->dlora = take(memory, t * 3 * shape->rank);
    engine->node_dnormed = take(memory, shape->n_nodes * h->hidden);
    engine->edge_logps = (double *)take(memory, 2 * shape->n_edges);
}

size_t cso_engine_layout(cso_engine *engine, const cso_shape *shape, float *base) {
    const cso_hparams *h = &engine->model->hparams;
    bump memory = {base, 0};
    size_t t = shape->n_tokens, d = h->hidden, q = h->n_heads * h->head_dim;
    cso_activations work;
    take_activations(&memory, h, shape, &work);
    for (size_t l = 0; l < h->n_layers; l++)
        if (shape->keep && l < shape->kept && l + 1 < h->n_layers)
            take_activations(&memory, h, shape, &engine->layers[l]);
        else
            engine->layers[l] = work;
    float *two[2] = {take(&memory, t * d), take(&memory, t * d)};
    for (size_t l = 0; l < h->n_layers; l++)
        engine->hidden[l] = l < 2 || !shape->keep ? two[l % 2] : take(&memory, t * d);
    engine->normed = take(&memory, t * d);
    engine->act = take(&memory, t * h->ffn);
    size_t widest = h->ffn > q ? h->ffn : q;
    engine->dropped = shape->dropout ? take(&memory, t * (widest > d ? widest : d)) : NULL;
    engine->token_keys = shape->dropout ? (uint64_t *)take(&memory, 2 * t) : NULL;
    engine->node_hidden = engine->hidden[h->n_layers] = take(&memory, shape->n_nodes * d);
    engine->node_normed = take(&memory, shape->n_nodes * d);
    engine->node_rstd = take(&memory, shape->n_nodes);
    engine->node_lse = (double *)take(&memory, 2 * shape->n_nodes);
    engine->node_inverse = (double *)take(&memory, 2 * shape->n_nodes);
    if (shape->keep)
        take_backward(&memory, engine, h, shape);
    return memory.used;
}

cso_status cso_engine_grow(cso_engine *engine, size_t floats, cso_error *err) {
    if (engine->block && floats <= engine->block_floats) /* a tree of no tokens has arrays too, not NULL */
        return CSO_OK;
    free(engine->block);
    engine->block_floats = 0;
    if (!(engine->block = cso_aligned_alloc(floats, sizeof(float))))
        return cso_fail(err, CSO_ERR_SYSTEM, "out of memory: %.1f GiB for activations (lower train.memory_gib or data.max_length)",
                        (double)floats * sizeof(float) / (1 << 30));
    engine->block_floats = floats;
    return CSO_OK;
}

cso_status cso_engine_reshape(cso_engine *engine, const cso_shape *shape, cso_error *err) {
    CSO_TRY(cso_engine_grow(engine, cso_engine_layout(engine, shape, NULL), err));
    cso_engine_layout(engine, shape, engine->block);
    engine->shape = *shape;
    return CSO_OK;
}

cso_status cso_engine_rope(cso_engine *engine, size_t positions, cso_error *err) {
    if (positions <= engine->rope_positions)
        return CSO_OK;
    size_t half = engine->model->hparams.head_dim / 2;
    float *table = cso_aligned_alloc(2 * positions * half, sizeof *table);
    if (!table)
        return cso_fail_memory(err, "rotary tables");
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            double angle = (double)p * engine->model->inv_freq[i];
            table[p * half + i] = (float)cos(angle);
            table[(positions + p) * half + i] = (float)sin(angle);
        }
    free(engine->rope);
    engine->rope = table;
    engine->rope_positions = positions;
    return CSO_OK;
}
