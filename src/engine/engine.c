/* engine.c - a forward and a backward pass over a token tree. */
#include "engine_state.h"

#include "base/memory.h"
#include "block.h"
#include "engine_work.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

cso_status cso_engine_create(cso_engine **engine, cso_context *ctx, const cso_model *model, cso_compute compute, size_t memory,
                             cso_error *err) {
    *engine = NULL;
    cso_engine *e = cso_calloc(1, sizeof *e);
    if (!e)
        return cso_fail_memory(err, "an engine");
    e->ctx = ctx;
    e->model = model;
    e->memory = memory;
    e->hidden = cso_calloc(model->hparams.n_layers + 1, sizeof *e->hidden);
    e->layers = cso_calloc(model->hparams.n_layers, sizeof *e->layers);
    e->measured_hidden = cso_calloc(model->hparams.n_layers + 1, sizeof *e->hidden);
    e->measured_layers = cso_calloc(model->hparams.n_layers, sizeof *e->layers);
    e->logits = cso_aligned_alloc((size_t)CSO_HEAD_NODES * CSO_HEAD_VOCAB, sizeof *e->logits);
    cso_status status = e->hidden && e->layers && e->measured_hidden && e->measured_layers && e->logits
                            ? cso_gemm_create(&e->gemm, ctx, compute, err)
                            : cso_fail_memory(err, "an engine");
    if (status != CSO_OK) {
        cso_engine_free(e);
        return status;
    }
    *engine = e;
    return CSO_OK;
}

void cso_engine_free(cso_engine *engine) {
    if (!engine)
        return;
    cso_gemm_free(engine->gemm);
    cso_attention_plan_free(&engine->plan);
    free(engine->block);
    free(engine->hidden);
    free(engine->layers);
    free(engine->measured_hidden);
    free(engine->measured_layers);
    free(engine->logits);
    free(engine->rope);
    free(engine);
}

cso_context *cso_engine_context(const cso_engine *engine) {
    return engine->ctx;
}

const cso_model *cso_engine_model(const cso_engine *engine) {
    return engine->model;
}

size_t cso_engine_vocab(const cso_engine *engine) {
    return engine->model->hparams.vocab;
}

double cso_engine_flops(const cso_engine *engine) {
    return engine->flops;
}

void cso_engine_set_step(cso_engine *engine, uint64_t seed, uint64_t step) {
    engine->seed = seed;
    engine->step = step;
}

void cso_engine_listen(cso_engine *engine, cso_engine_listener listener) {
    engine->listener = listener;
}

void cso_engine_watch(cso_engine *engine, cso_engine_watcher watcher) {
    engine->watcher = watcher;
}

/* A pass has a part for each layer and one for the head. */
static void tell(const cso_engine *engine, size_t done) {
    if (engine->listener.part)
        engine->listener.part(engine->listener.context, done, engine->model->hparams.n_layers + 1);
}

const float *cso_engine_hidden(const cso_engine *engine, size_t layer) {
    return engine->hidden[layer];
}

typedef struct embed_job {
    const cso_kernels *kernels;
    const cso_model *model;
    const int32_t *ids;
    float *out;
} embed_job;

static void embed_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const embed_job *job = context;
    size_t d = job->model->hparams.hidden;
    float scale = job->model->hparams.embedding_scale;
    for (size_t i = first; i < first + count; i++) {
        job->kernels->dequantize_row[job->model->embedding.dtype](cso_tensor_row(&job->model->embedding, (size_t)job->ids[i]),
                                                                  job->out + i * d, d);
        for (size_t j = 0; scale != 1 && j < d; j++)
            job->out[i * d + j] *= scale;
    }
}

cso_status cso_engine_embed(cso_engine *engine, const int32_t *ids, size_t count, float *out, cso_error *err) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= engine->model->hparams.vocab)
            return cso_fail(err, CSO_ERR_INPUT,
                            "token id %d is not in the model's vocabulary of %zu (do tokenizer and model belong together?)", ids[i],
                            engine->model->hparams.vocab);
    embed_job job = {engine->ctx->kernels, engine->model, ids, out};
    cso_rows(engine->ctx, count, 16, embed_rows, &job);
    return CSO_OK;
}

static cso_status check_targets(const cso_engine *engine, const cso_tree *tree, cso_error *err) {
    for (size_t e = 0; e < tree->n_edges; e++)
        if (tree->edge_target[e] < 0 || (size_t)tree->edge_target[e] >= engine->model->hparams.vocab)
            return cso_fail(err, CSO_ERR_INPUT,
                            "token id %d is not in the model's vocabulary of %zu (do tokenizer and model belong together?)",
                            tree->edge_target[e], engine->model->hparams.vocab);
    return CSO_OK;
}

/* Dropout's random numbers depend on these, so equal prefixes get equal masks in any tree. */
static void make_token_keys(uint64_t *keys, const cso_tree *tree) {
    for (size_t s = 0; s < tree->n_segments; s++) {
        const cso_segment *segment = &tree->segments[s];
        const cso_segment *parent = segment->parent < 0 ? NULL : &tree->segments[segment->parent];
        uint64_t key = parent ? keys[parent->first + parent->length - 1] : 0;
        for (int32_t i = segment->first; i < segment->first + segment->length; i++) {
            key = (key + (uint64_t)tree->tokens[i] + 1) * 0x9E3779B97F4A7C15u; /* then the finalizer of splitmix64 */
            key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9u;
            key = (key ^ key >> 27) * 0x94D049BB133111EBu;
            key ^= key >> 31;
            keys[i] = key;
        }
    }
}

static cso_block block_of(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, size_t layer, float *grads) {
    cso_activations *a = &engine->layers[layer];
    bool last = layer + 1 == engine->model->hparams.n_layers;
    return (cso_block){.engine = engine,
                       .adapter = adapter,
                       .layer = layer,
                       .m = tree->n_tokens,
                       .n = last ? tree->n_nodes : tree->n_tokens,
                       .nodes = last ? tree->node_token : NULL,
                       .positions = tree->positions,
                       .x = engine->hidden[layer],
                       .out = engine->hidden[layer + 1],
                       .k = a->k,
                       .v = a->v,
                       .a = a,
                       .grads = grads};
}

cso_status cso_engine_forward(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep, double *edge_logps,
                              cso_error *err) {
    return cso_engine_forward_squares(engine, tree, adapter, keep, edge_logps, NULL, err);
}

cso_status cso_engine_forward_squares(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep,
                                      double *edge_logps, double *edge_squares, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    CSO_TRY(check_targets(engine, tree, err));
    cso_engine_need need;
    CSO_TRY(cso_engine_plan(engine, tree, adapter, keep, &need, err));
    CSO_TRY(cso_engine_reshape(engine, &engine->planned, err));
    if (engine->token_keys)
        make_token_keys(engine->token_keys, tree);
    CSO_TRY(cso_engine_rope(engine, need.positions, err));
    CSO_TRY(cso_engine_embed(engine, tree->tokens, tree->n_tokens, engine->hidden[0], err));
    for (size_t layer = 0; layer < h->n_layers; layer++) {
        const cso_block block = block_of(engine, tree, adapter, layer, NULL);
        CSO_TRY(cso_block_forward(&block, err));
        tell(engine, layer + 1);
    }
    CSO_TRY(cso_head_forward(engine, tree, edge_logps, edge_squares, err));
    tell(engine, h->n_layers + 1);
    cso_pass_work work = cso_engine_work(engine->model, tree, adapter, engine->shape.kept, keep);
    engine->flops += cso_work_flops(&work.forward);
    return CSO_OK;
}

cso_status cso_engine_backward(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, const double *edge_weights,
                               float *grads, cso_error *err) {
    if (!engine->shape.keep || engine->shape.n_tokens != tree->n_tokens || !adapter)
        return cso_fail(err, CSO_ERR_INTERNAL, "a backward pass needs a forward pass that kept its activations");
    CSO_TRY(cso_head_backward(engine, tree, edge_weights, err));
    tell(engine, 1);
    size_t n_layers = engine->model->hparams.n_layers;
    for (size_t layer = n_layers; layer-- > 0;) {
        const cso_block block = block_of(engine, tree, adapter, layer, grads);
        if (layer >= engine->shape.kept && layer + 1 < n_layers)
            CSO_TRY(cso_block_forward(&block, err)); /* its activations, again */
        CSO_TRY(cso_block_backward(&block, layer > 0, err));
        tell(engine, 1 + n_layers - layer);
    }
    cso_pass_work work = cso_engine_work(engine->model, tree, adapter, engine->shape.kept, true);
    engine->flops += cso_work_flops(&work.backward) + cso_work_flops(&work.again);
    engine->shape.keep = false; /* backward overwrote the activations */
    return CSO_OK;
}

cso_status cso_engine_logits(cso_engine *engine, const cso_tree *tree, float *logits, cso_error *err) {
    return cso_head_logits(engine, engine->node_normed, tree->n_nodes, logits, err);
}
