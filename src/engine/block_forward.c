/* block_forward.c - one transformer block, the same for every family but for its switches:
 *   x -> norm -> Q, K, V -> RoPE -> tree attention -> O (-> norm) -> + x = mid
 *   mid -> norm -> gate, up -> activation -> down (-> norm) -> + mid */
#include "engine_state.h"

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "model/family.h"
#include "rows.h"

typedef struct rope_job {
    const cso_kernels *kernels;
    float *x;
    const float *cosine, *sine;
    const int32_t *positions, *nodes;
    size_t heads, head_dim;
    bool inverse;
} rope_job;

static void rope_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const rope_job *job = context;
    size_t half = job->head_dim / 2;
    for (size_t i = first; i < first + count; i++) {
        size_t at = (size_t)job->positions[job->nodes ? (size_t)job->nodes[i] : i] * half;
        job->kernels->rope(job->x + i * job->heads * job->head_dim, job->cosine + at, job->sine + at, job->heads, job->head_dim,
                           job->inverse);
    }
}

void cso_block_rope(const cso_engine *engine, float *x, size_t m, size_t heads, const int32_t *positions, const int32_t *nodes,
                    bool inverse) {
    size_t head_dim = engine->model->hparams.head_dim;
    rope_job job = {engine->ctx->kernels,
                    x,
                    engine->rope,
                    engine->rope + engine->rope_positions * (head_dim / 2),
                    positions,
                    nodes,
                    heads,
                    head_dim,
                    inverse};
    cso_rows(engine->ctx, m, 16, rope_rows, &job);
}

typedef struct activation_job {
    const cso_kernels *kernels;
    float *act;
    const float *gate, *up;
    cso_activation activation;
} activation_job;

static void activation_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = job->kernels;
    (job->activation == CSO_GEGLU ? kernels->geglu_forward : kernels->swiglu_forward)(job->act + first, job->gate + first,
                                                                                      job->up + first, count);
}

void cso_block_activation(cso_engine *engine, const cso_activations *a, size_t m) {
    activation_job job = {engine->ctx->kernels, engine->act, a->gate, a->up, engine->model->hparams.activation};
    cso_rows(engine->ctx, m * engine->model->hparams.ffn, 1 << 14, activation_tile, &job);
}

typedef struct add_job {
    cso_context *ctx;
    float *out, *rstd;
    const float *raw, *weight;
    size_t width;
    float eps;
} add_job;

static void add_normed_rows(const void *context, size_t first, size_t count, int thread) {
    const add_job *job = context;
    const cso_kernels *kernels = job->ctx->kernels;
    float *normed = cso_scratch(job->ctx->pool, thread);
    for (size_t i = first; i < first + count; i++) {
        job->rstd[i] = kernels->rmsnorm_forward(normed, job->raw + i * job->width, job->weight, job->width, job->eps);
        kernels->add(job->out + i * job->width, normed, job->width);
    }
}

/* out += norm(raw). */
static cso_status add_normed(const cso_engine *engine, float *out, const float *raw, const float *weight, size_t m, float *rstd,
                             cso_error *err) {
    size_t width = engine->model->hparams.hidden;
    CSO_TRY(cso_scratch_reserve(engine->ctx->pool, width * sizeof(float), err));
    add_job job = {engine->ctx, out, rstd, raw, weight, width, engine->model->hparams.norm_eps};
    cso_rows(engine->ctx, m, 16, add_normed_rows, &job);
    return CSO_OK;
}

static cso_status project(cso_engine *engine, const cso_block_input *in, const cso_activations *a, cso_module first, int count,
                          const float *x, size_t m, float *const *y, bool accumulate, cso_error *err) {
    const int32_t *rows = first == CSO_K_PROJ ? NULL : in->nodes; /* only keys and values are those of all tokens */
    cso_linear linear = {in->adapter, in->layer, first, count, x, m, rows, a->lora[first]};
    return cso_linear_forward(engine, &linear, y, accumulate, err);
}

/* Queries of the n rows whose output is wanted, keys and values of all m rows. */
static cso_status queries_and_keys(cso_engine *engine, const cso_block_input *in, cso_activations *a, size_t n, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    size_t m = in->m, d = h->hidden, kv = h->n_kv_heads * h->head_dim;
    float *const qkv[] = {a->q, in->k + in->row_offset * kv, in->v + in->row_offset * kv};
    cso_rows_rmsnorm(engine, engine->normed, in->x, engine->model->layers[in->layer].input_norm, m, a->rstd[CSO_INPUT_NORM]);
    if (in->nodes) {
        cso_rows_gather(engine->ctx, engine->node_normed, engine->normed, in->nodes, n, d);
        CSO_TRY(project(engine, in, a, CSO_Q_PROJ, 1, engine->node_normed, n, qkv, false, err));
        CSO_TRY(project(engine, in, a, CSO_K_PROJ, 2, engine->normed, m, qkv + 1, false, err));
    } else {
        CSO_TRY(project(engine, in, a, CSO_Q_PROJ, 3, engine->normed, m, qkv, false, err));
    }
    cso_block_rope(engine, qkv[0], n, h->n_heads, in->positions, in->nodes, false);
    cso_block_rope(engine, qkv[1], m, h->n_kv_heads, in->positions, NULL, false);
    return CSO_OK;
}

cso_status cso_block_forward(cso_engine *engine, const cso_block_input *in, cso_activations *a, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[in->layer];
    size_t n = in->nodes ? in->n_nodes : in->m, d = h->hidden;
    CSO_TRY(queries_and_keys(engine, in, a, n, err));
    cso_attention attention = {.ctx = engine->ctx,
                               .plan = &engine->plan,
                               .list = in->nodes ? &engine->plan.nodes : &engine->plan.all,
                               .hparams = h,
                               .window = h->window && in->layer % h->window_every == 0 ? h->window : 0,
                               .n_rows = in->row_offset + in->m,
                               .q = a->q,
                               .k = in->k,
                               .v = in->v,
                               .out = a->attended,
                               .lse = a->lse};
    CSO_TRY(cso_attention_forward(&attention, err));

    float *attention_out = h->post_norms ? a->attention_out : a->mid;
    cso_rows_gather(engine->ctx, a->mid, in->x, in->nodes, n, d);
    CSO_TRY(project(engine, in, a, CSO_O_PROJ, 1, a->attended, n, &attention_out, !h->post_norms, err));
    if (h->post_norms)
        CSO_TRY(add_normed(engine, a->mid, attention_out, layer->post_attention_norm, n, a->rstd[CSO_POST_ATTENTION_NORM], err));

    float *const gate_up[] = {a->gate, a->up};
    cso_rows_rmsnorm(engine, engine->normed, a->mid, layer->ffn_norm, n, a->rstd[CSO_FFN_NORM]);
    CSO_TRY(project(engine, in, a, CSO_GATE_PROJ, 2, engine->normed, n, gate_up, false, err));
    cso_block_activation(engine, a, n);
    float *ffn_out = h->post_norms ? a->ffn_out : in->out;
    cso_rows_gather(engine->ctx, in->out, a->mid, NULL, n, d);
    CSO_TRY(project(engine, in, a, CSO_DOWN_PROJ, 1, engine->act, n, &ffn_out, !h->post_norms, err));
    if (h->post_norms)
        CSO_TRY(add_normed(engine, in->out, ffn_out, layer->post_ffn_norm, n, a->rstd[CSO_POST_FFN_NORM], err));
    return CSO_OK;
}
