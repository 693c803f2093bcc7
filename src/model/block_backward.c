/* block_backward.c - block_forward.c read backwards. engine->d holds the gradient of the residual stream throughout: each
 * branch adds its part through its norm. Normed inputs and the activation are computed again from what was kept. */
#include "engine_state.h"

#include "cso/kernels.h"
#include "family.h"
#include "rows.h"

#include <string.h>

typedef struct activation_job {
    float *dgate, *dup;
    const float *dact;
    cso_activation activation;
} activation_job;

/* The gradients take the place of gate and up, which nobody reads after. */
static void activation_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = cso_kernels_get();
    (job->activation == CSO_GEGLU ? kernels->geglu_backward : kernels->swiglu_backward)(
        job->dgate + first, job->dup + first, job->dact + first, job->dgate + first, job->dup + first, count);
}

/* The gradient of a branch's raw output: through its post norm where it has one (into engine->dnormed), else that of the
 * stream. */
static const float *through_post_norm(cso_engine *engine, const float *raw, const float *weight, const float *rstd, size_t m) {
    if (!weight)
        return engine->d;
    size_t width = engine->model->hparams.hidden;
    memset(engine->dnormed, 0, m * width * sizeof *engine->dnormed);
    cso_rows_rmsnorm_backward(engine->dnormed, engine->d, raw, weight, rstd, m, width);
    return engine->dnormed;
}

static cso_status mlp_backward(cso_engine *engine, const cso_adapter *adapter, size_t index, cso_activations *a, size_t m,
                               float *grads, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[index];
    cso_block_activation(engine, a, m);
    const float *dout = through_post_norm(engine, a->ffn_out, layer->post_ffn_norm, a->rstd[CSO_POST_FFN_NORM], m);
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_DOWN_PROJ, engine->act, dout, m, a->lora[CSO_DOWN_PROJ], engine->dact,
                                false, grads, err));
    activation_job job = {a->gate, a->up, engine->dact, h->activation};
    cso_rows(m * h->ffn, 1 << 14, activation_tile, &job);
    cso_rows_rmsnorm(engine->normed, a->mid, layer->ffn_norm, m, h->hidden, h->norm_eps, NULL);
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_GATE_PROJ, engine->normed, a->gate, m, a->lora[CSO_GATE_PROJ],
                                engine->dnormed, false, grads, err));
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_UP_PROJ, engine->normed, a->up, m, a->lora[CSO_UP_PROJ],
                                engine->dnormed, true, grads, err));
    cso_rows_rmsnorm_backward(engine->d, engine->dnormed, a->mid, layer->ffn_norm, a->rstd[CSO_FFN_NORM], m, h->hidden);
    return CSO_OK;
}

static cso_status attention_backward(cso_engine *engine, const cso_adapter *adapter, const cso_tree *tree, size_t index,
                                     cso_activations *a, bool input_wanted, float *grads, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[index];
    size_t m = tree->n_tokens;
    const float *dout =
        through_post_norm(engine, a->attention_out, layer->post_attention_norm, a->rstd[CSO_POST_ATTENTION_NORM], m);
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_O_PROJ, a->attended, dout, m, a->lora[CSO_O_PROJ], engine->dattended,
                                false, grads, err));
    cso_attention attention = {.plan = &engine->plan,
                               .list = &engine->plan.all,
                               .hparams = h,
                               .window = h->window && index % h->window_every == 0 ? h->window : 0,
                               .n_rows = m,
                               .q = a->q,
                               .k = a->k,
                               .v = a->v,
                               .out = a->attended,
                               .lse = a->lse};
    CSO_TRY(cso_attention_backward(&attention, engine->dattended, a->q, engine->dk, engine->dv, err));
    cso_block_rope(engine, a->q, m, h->n_heads, tree->positions, true);
    cso_block_rope(engine, engine->dk, m, h->n_kv_heads, tree->positions, true);
    float *dnormed = input_wanted ? engine->dnormed : NULL;
    const float *x = engine->hidden[index];
    cso_rows_rmsnorm(engine->normed, x, layer->input_norm, m, h->hidden, h->norm_eps, NULL);
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_Q_PROJ, engine->normed, a->q, m, a->lora[CSO_Q_PROJ], dnormed, false,
                                grads, err));
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_K_PROJ, engine->normed, engine->dk, m, a->lora[CSO_K_PROJ], dnormed,
                                true, grads, err));
    CSO_TRY(cso_linear_backward(engine, adapter, index, CSO_V_PROJ, engine->normed, engine->dv, m, a->lora[CSO_V_PROJ], dnormed,
                                true, grads, err));
    if (input_wanted)
        cso_rows_rmsnorm_backward(engine->d, dnormed, x, layer->input_norm, a->rstd[CSO_INPUT_NORM], m, h->hidden);
    return CSO_OK;
}

cso_status cso_block_backward(cso_engine *engine, const cso_adapter *adapter, const cso_tree *tree, size_t layer, bool input_wanted,
                              float *grads, cso_error *err) {
    cso_activations *a = &engine->layers[layer];
    CSO_TRY(mlp_backward(engine, adapter, layer, a, tree->n_tokens, grads, err));
    return attention_backward(engine, adapter, tree, layer, a, input_wanted, grads, err);
}
