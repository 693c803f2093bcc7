/* feed.c - generation: a cache holds the keys and values of all tokens so far, and new tokens run through the same blocks. */
#include "addition.h"
#include "block.h"
#include "engine_state.h"

#include "base/memory.h"
#include "rows.h"

#include <stdlib.h>

cso_status cso_engine_begin(cso_engine *engine, size_t capacity, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    engine->cache_used = 0;
    if (capacity > engine->cache_capacity) {
        size_t floats;
        free(engine->cache_k);
        free(engine->cache_v);
        engine->cache_capacity = 0;
        engine->cache_k = engine->cache_v = NULL;
        if (!cso_size_mul(capacity, h->n_layers * h->n_kv_heads * h->head_dim, &floats) ||
            !(engine->cache_k = cso_aligned_alloc(floats, sizeof(float))) ||
            !(engine->cache_v = cso_aligned_alloc(floats, sizeof(float))))
            return cso_fail_memory(err, "keys and values");
        engine->cache_capacity = capacity;
    }
    return cso_engine_rope(engine, capacity, err);
}

cso_status cso_engine_feed(cso_engine *engine, const cso_adapter *adapter, const int32_t *ids, size_t count, float *logits,
                           cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    size_t first = engine->cache_used, kv = h->n_kv_heads * h->head_dim;
    if (count == 0 || count > engine->cache_capacity - first)
        return cso_fail(err, CSO_ERR_INTERNAL, "%zu tokens do not fit in a cache of %zu that holds %zu", count,
                        engine->cache_capacity, first);
    cso_shape shape = {.n_tokens = count, .n_nodes = count};
    cso_addition_measure(adapter, false, &shape);
    CSO_TRY(cso_engine_reshape(engine, &shape, err));
    CSO_TRY(cso_attention_plan_chain(&engine->plan, h, first, count, err));
    CSO_TRY(cso_engine_embed(engine, ids, count, engine->hidden[0], err));
    int32_t *positions = cso_calloc(count, sizeof *positions);
    if (!positions)
        return cso_fail_memory(err, "positions");
    for (size_t i = 0; i < count; i++)
        positions[i] = (int32_t)(first + i);
    cso_status status = CSO_OK;
    for (size_t layer = 0; status == CSO_OK && layer < h->n_layers; layer++) {
        size_t at = layer * engine->cache_capacity * kv;
        const cso_block block = {.engine = engine,
                                 .adapter = adapter,
                                 .layer = layer,
                                 .m = count,
                                 .n = count,
                                 .positions = positions,
                                 .x = engine->hidden[layer],
                                 .out = engine->hidden[layer + 1],
                                 .k = engine->cache_k + at,
                                 .v = engine->cache_v + at,
                                 .row_offset = first,
                                 .a = &engine->layers[layer]};
        status = cso_block_forward(&block, err);
    }
    free(positions);
    CSO_TRY(status);
    engine->cache_used = first + count;
    cso_rows_rmsnorm(engine, engine->node_normed, engine->hidden[h->n_layers] + (count - 1) * h->hidden, engine->model->final_norm,
                     1, NULL);
    return cso_head_logits(engine, engine->node_normed, 1, logits, err);
}
