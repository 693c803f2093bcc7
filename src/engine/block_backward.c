/* block_backward.c - block_forward.c read backwards. engine->d holds the gradient of the residual stream throughout: each
 * branch adds its part through its norm. Normed inputs and the activation are computed again from what was kept. */
#include "engine_state.h"

#include "kernels/kernels.h"
#include "model/family.h"
#include "rows.h"

#include <string.h>

typedef struct activation_job {
    const cso_kernels *kernels;
    float *dgate, *dup;
    const float *dact;
    cso_activation activation;
} activation_job;

/* The gradients take the place of gate and up, which nobody reads after. */
static void activation_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = job->kernels;
    (job->activation == CSO_GEGLU ? kernels->geglu_backward : kernels->swiglu_backward)(
        job->dgate + first, job->dup + first, job->dact + first, job->dgate + first, job->dup + first, count);
}

/* The gradient of a branch's raw output: through its post norm where it has one (into engine->dnormed), else that of the
 * stream. */
static const float *through_post_norm(cso_engine *engine, const float *raw, const float *weight, const float *rstd, size_t m) {
    if (!weight)
        return engine->d;
    memset(engine->dnormed, 0, m * engine->model->hparams.hidden * sizeof *engine->dnormed);
    cso_rows_rmsnorm_backward(engine, engine->dnormed, engine->d, raw, weight, rstd, m);
    return engine->dnormed;
}

/* What a block's backward pass is about. */
typedef struct block {
    cso_engine *engine;
    const cso_adapter *adapter;
    const cso_tree *tree;
    size_t index;
    cso_activations *a;
    const int32_t *nodes; /* in the last layer; NULL: all rows */
    size_t n;             /* rows with an output */
    float *grads;
} block;

static cso_status project_backward(const block *b, cso_module first, int count, const float *x, size_t m, const float *const *dy,
                                   float *dx, cso_error *err) {
    const int32_t *rows = first == CSO_K_PROJ ? NULL : b->nodes;
    cso_linear linear = {b->adapter, b->index, first, count, x, m, rows, b->a->lora[first]};
    return cso_linear_backward(b->engine, &linear, dy, dx, b->grads, err);
}

static cso_status mlp_backward(const block *b, cso_error *err) {
    cso_engine *engine = b->engine;
    cso_activations *a = b->a;
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[b->index];
    size_t n = b->n;
    cso_block_activation(engine, a, n);
    const float *dout = through_post_norm(engine, a->ffn_out, layer->post_ffn_norm, a->rstd[CSO_POST_FFN_NORM], n);
    CSO_TRY(project_backward(b, CSO_DOWN_PROJ, 1, engine->act, n, &dout, engine->dact, err));
    activation_job job = {engine->ctx->kernels, a->gate, a->up, engine->dact, h->activation};
    cso_rows(engine->ctx, n * h->ffn, 1 << 14, activation_tile, &job);
    cso_rows_rmsnorm(engine, engine->normed, a->mid, layer->ffn_norm, n, NULL);
    const float *const dgate_up[] = {a->gate, a->up};
    CSO_TRY(project_backward(b, CSO_GATE_PROJ, 2, engine->normed, n, dgate_up, engine->dnormed, err));
    cso_rows_rmsnorm_backward(engine, engine->d, engine->dnormed, a->mid, layer->ffn_norm, a->rstd[CSO_FFN_NORM], n);
    return CSO_OK;
}

/* From the gradients of Q (in a->q), K and V to that of their common input, in dnormed where it is wanted. */
static cso_status inputs_backward(const block *b, bool input_wanted, cso_error *err) {
    cso_engine *engine = b->engine;
    const cso_hparams *h = &engine->model->hparams;
    size_t m = b->tree->n_tokens;
    const float *const dqkv[] = {b->a->q, engine->dk, engine->dv};
    float *dnormed = input_wanted ? engine->dnormed : NULL;
    cso_rows_rmsnorm(engine, engine->normed, engine->hidden[b->index], engine->model->layers[b->index].input_norm, m, NULL);
    if (!b->nodes)
        return project_backward(b, CSO_Q_PROJ, 3, engine->normed, m, dqkv, dnormed, err);
    cso_rows_gather(engine->ctx, engine->node_normed, engine->normed, b->nodes, b->n, h->hidden);
    CSO_TRY(project_backward(b, CSO_Q_PROJ, 1, engine->node_normed, b->n, dqkv, input_wanted ? engine->node_dnormed : NULL, err));
    CSO_TRY(project_backward(b, CSO_K_PROJ, 2, engine->normed, m, dqkv + 1, dnormed, err));
    if (input_wanted)
        cso_rows_scatter_add(engine->ctx, dnormed, engine->node_dnormed, b->nodes, b->n, h->hidden);
    return CSO_OK;
}

/* The gradient of the nodes goes to their tokens' rows, zeros between them. A token never stands before its node, so this can be
 * done in place from the end. */
static void spread(float *d, const int32_t *nodes, size_t n_nodes, size_t n_tokens, size_t width) {
    size_t end = n_tokens;
    for (size_t i = n_nodes; i-- > 0;) {
        size_t token = (size_t)nodes[i];
        memset(d + (token + 1) * width, 0, (end - token - 1) * width * sizeof *d);
        memmove(d + token * width, d + i * width, width * sizeof *d);
        end = token;
    }
    memset(d, 0, end * width * sizeof *d);
}

static cso_status attention_backward(const block *b, bool input_wanted, cso_error *err) {
    cso_engine *engine = b->engine;
    cso_activations *a = b->a;
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[b->index];
    size_t m = b->tree->n_tokens, n = b->n;
    const float *dout =
        through_post_norm(engine, a->attention_out, layer->post_attention_norm, a->rstd[CSO_POST_ATTENTION_NORM], n);
    CSO_TRY(project_backward(b, CSO_O_PROJ, 1, a->attended, n, &dout, engine->dattended, err));
    cso_attention attention = {.ctx = engine->ctx,
                               .plan = &engine->plan,
                               .list = b->nodes ? &engine->plan.nodes : &engine->plan.all,
                               .hparams = h,
                               .window = h->window && b->index % h->window_every == 0 ? h->window : 0,
                               .n_rows = m,
                               .q = a->q,
                               .k = a->k,
                               .v = a->v,
                               .out = a->attended,
                               .lse = a->lse};
    CSO_TRY(cso_attention_backward(&attention, engine->dattended, a->q, engine->dk, engine->dv, err));
    cso_block_rope(engine, a->q, n, h->n_heads, b->tree->positions, b->nodes, true);
    cso_block_rope(engine, engine->dk, m, h->n_kv_heads, b->tree->positions, NULL, true);
    CSO_TRY(inputs_backward(b, input_wanted, err));
    if (!input_wanted)
        return CSO_OK;
    if (b->nodes)
        spread(engine->d, b->nodes, n, m, h->hidden);
    cso_rows_rmsnorm_backward(engine, engine->d, engine->dnormed, engine->hidden[b->index], layer->input_norm,
                              a->rstd[CSO_INPUT_NORM], m);
    return CSO_OK;
}

cso_status cso_block_backward(cso_engine *engine, const cso_adapter *adapter, const cso_tree *tree, size_t layer, bool input_wanted,
                              float *grads, cso_error *err) {
    bool last = layer + 1 == engine->model->hparams.n_layers;
    const block b = {.engine = engine,
                     .adapter = adapter,
                     .tree = tree,
                     .index = layer,
                     .a = &engine->layers[layer],
                     .nodes = last ? tree->node_token : NULL,
                     .n = last ? tree->n_nodes : tree->n_tokens,
                     .grads = grads};
    CSO_TRY(mlp_backward(&b, err));
    return attention_backward(&b, input_wanted, err);
}
