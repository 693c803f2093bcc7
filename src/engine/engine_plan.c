/* engine_plan.c - memory of a pass before it runs: which layers keep their activations, and reserving before the first step. */
#include "addition.h"
#include "engine_state.h"

#include "base/memory.h"
#include "base/parallel.h"

/* Bytes of a thread beside the activations: as long as no tree is known, and the part of the libraries and products alone. */
enum { BYTES_PER_THREAD = 16 << 20, LIBRARY_BYTES_PER_THREAD = 4 << 20 };

/* The part of the memory that trees leave to the threads' buffers, at most for so many threads. It must not depend on the number
 * of threads: where a batch is cut into trees decides last bits. */
enum { THREADS_PART = 16, THREADS_MOST = 256 };

/* Memory plans assume this rank as long as no adapter is known. */
enum { PLAN_RANK = 64 };

static const size_t HEAD_BYTES = (size_t)CSO_HEAD_NODES * CSO_HEAD_VOCAB * sizeof(float);

/* Measures with a copy: the arrays of a tree between forward and backward must stay. */
static size_t measure(const cso_engine *engine, const cso_shape *shape) {
    cso_engine copy = *engine;
    copy.hidden = engine->measured_hidden;
    copy.layers = engine->measured_layers;
    return cso_engine_layout(&copy, shape, NULL) * sizeof(float);
}

size_t cso_engine_bytes(const cso_engine *engine, size_t n_tokens, size_t kept_layers) {
    cso_shape shape = {
        .n_tokens = n_tokens, .n_nodes = n_tokens, .n_edges = n_tokens, .kept = kept_layers, .rank = PLAN_RANK, .keep = true};
    return measure(engine, &shape) + HEAD_BYTES + BYTES_PER_THREAD;
}

static size_t tokens_within(const cso_engine *engine, size_t memory) {
    size_t low = 0, high = (size_t)1 << 24;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (cso_engine_bytes(engine, middle, 0) <= memory)
            low = middle;
        else
            high = middle;
    }
    return low;
}

size_t cso_engine_max_tokens(const cso_engine *engine) {
    return tokens_within(engine, engine->memory);
}

size_t cso_engine_tree_tokens(const cso_engine *engine) {
    size_t threads = engine->memory / THREADS_PART / BYTES_PER_THREAD;
    if (threads <= 1) /* which cso_engine_bytes counts */
        return cso_engine_max_tokens(engine);
    threads = threads < THREADS_MOST ? threads : THREADS_MOST;
    return tokens_within(engine, engine->memory - (threads - 1) * BYTES_PER_THREAD);
}

size_t cso_engine_kept_layers(const cso_engine *engine) {
    return engine->shape.kept;
}

static size_t rope_bytes(const cso_engine *engine, size_t positions) {
    return positions * engine->model->hparams.head_dim * sizeof(float);
}

size_t cso_engine_need_bytes(const cso_engine *engine, const cso_engine_need *need) {
    return need->activations + rope_bytes(engine, need->positions) + HEAD_BYTES +
           (size_t)cso_pool_threads(engine->ctx->pool) * (need->scratch + LIBRARY_BYTES_PER_THREAD);
}

/* As many of the first layers as fit into the memory. The last needs no memory of its own, so all but one is all. */
static size_t layers_to_keep(const cso_engine *engine, cso_shape shape, cso_engine_need need) {
    size_t n_layers = engine->model->hparams.n_layers;
    shape.kept = 0;
    need.activations = measure(engine, &shape);
    size_t none = cso_engine_need_bytes(engine, &need);
    shape.kept = 1;
    size_t one = measure(engine, &shape) - need.activations;
    if (none >= engine->memory || one == 0)
        return n_layers == 1 ? 1 : 0;
    size_t kept = (engine->memory - none) / one;
    return kept + 1 < n_layers ? kept : n_layers;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Fewer threads from now on, where the memory does not hold the buffers of all of them beside the largest tree so far with no layer
 * kept. */
static void limit_threads(cso_engine *engine, cso_shape shape, cso_engine_need need) {
    cso_engine_need *least = &engine->least;
    shape.kept = 0;
    need.activations = measure(engine, &shape);
    cso_engine_need_grow(least, &need);
    size_t used = least->activations + rope_bytes(engine, least->positions) + HEAD_BYTES;
    size_t left = engine->memory > used ? engine->memory - used : 0, fit = left / (least->scratch + LIBRARY_BYTES_PER_THREAD);
    if (fit < (size_t)cso_pool_threads(engine->ctx->pool))
        cso_pool_set_threads(engine->ctx->pool, fit ? (int)fit : 1);
}

cso_status cso_engine_plan(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep, cso_engine_need *need,
                           cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    cso_shape shape = {.n_tokens = tree->n_tokens, .n_nodes = tree->n_nodes, .n_edges = tree->n_edges, .keep = keep};
    cso_addition_measure(adapter, keep, &shape);
    CSO_TRY(cso_attention_plan_tree(&engine->plan, h, tree, err));
    *need = (cso_engine_need){.positions = tree->max_depth, .scratch = cso_attention_scratch(&engine->plan, h, keep)};
    limit_threads(engine, shape, *need);
    if (keep)
        need->kept_layers = shape.kept = layers_to_keep(engine, shape, *need);
    need->activations = measure(engine, &shape);
    engine->planned = shape;
    return CSO_OK;
}

void cso_engine_need_grow(cso_engine_need *most, const cso_engine_need *need) {
    most->activations = larger(most->activations, need->activations);
    most->positions = larger(most->positions, need->positions);
    most->scratch = larger(most->scratch, need->scratch);
}

cso_status cso_engine_reserve(cso_engine *engine, const cso_engine_need *need, cso_error *err) {
    CSO_TRY(cso_engine_grow(engine, need->activations / sizeof(float), err));
    CSO_TRY(cso_engine_rope(engine, need->positions, err));
    return cso_scratch_reserve(engine->ctx->pool, larger(need->scratch, CSO_HEAD_VOCAB * sizeof(float)), err);
}
