/* block_forward.c - one transformer block, the same for every family but for its switches:
 *   x -> norm -> Q, K, V -> RoPE -> tree attention -> O (-> norm) -> + x = mid
 *   mid -> norm -> gate, up -> activation -> down (-> norm) -> + mid */
#include "engine_state.h"

#include "cso/kernels.h"
#include "family.h"
#include "rows.h"

#include <string.h>

typedef struct rope_job {
    float *x;
    const float *cosine, *sine;
    const int32_t *positions;
    size_t heads, head_dim;
    bool inverse;
} rope_job;

static void rope_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const rope_job *job = context;
    size_t half = job->head_dim / 2;
    for (size_t i = first; i < first + count; i++) {
        size_t at = (size_t)job->positions[i] * half;
        cso_kernels_get()->rope(job->x + i * job->heads * job->head_dim, job->cosine + at, job->sine + at, job->heads,
                                job->head_dim, job->inverse);
    }
}

void cso_block_rope(const cso_engine *engine, float *x, size_t m, size_t heads, const int32_t *positions, bool inverse) {
    size_t head_dim = engine->model->hparams.head_dim;
    rope_job job = {x, engine->rope, engine->rope + engine->rope_positions * (head_dim / 2), positions, heads, head_dim, inverse};
    cso_rows(m, 16, rope_rows, &job);
}

typedef struct activation_job {
    float *act;
    const float *gate, *up;
    cso_activation activation;
} activation_job;

static void activation_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = cso_kernels_get();
    (job->activation == CSO_GEGLU ? kernels->geglu_forward : kernels->swiglu_forward)(job->act + first, job->gate + first,
                                                                                      job->up + first, count);
}

void cso_block_activation(cso_engine *engine, const cso_activations *a, size_t m) {
    activation_job job = {engine->act, a->gate, a->up, engine->model->hparams.activation};
    cso_rows(m * engine->model->hparams.ffn, 1 << 14, activation_tile, &job);
}

/* out = base + norm(raw). */
static void add_normed(cso_engine *engine, float *out, const float *base, const float *raw, const float *weight, size_t m,
                       float *rstd) {
    size_t width = engine->model->hparams.hidden;
    cso_rows_rmsnorm(out, raw, weight, m, width, engine->model->hparams.norm_eps, rstd);
    cso_rows_add(out, base, m * width);
}

cso_status cso_block_forward(cso_engine *engine, const cso_block_input *in, cso_activations *a, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    const cso_layer *layer = &engine->model->layers[in->layer];
    const cso_adapter *adapter = in->adapter;
    size_t m = in->m, d = h->hidden, kv = h->n_kv_heads * h->head_dim;
    float *k = in->k + in->row_offset * kv, *v = in->v + in->row_offset * kv;

    cso_rows_rmsnorm(engine->normed, in->x, layer->input_norm, m, d, h->norm_eps, a->rstd[CSO_INPUT_NORM]);
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_Q_PROJ, engine->normed, m, a->q, false, a->lora[CSO_Q_PROJ], err));
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_K_PROJ, engine->normed, m, k, false, a->lora[CSO_K_PROJ], err));
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_V_PROJ, engine->normed, m, v, false, a->lora[CSO_V_PROJ], err));
    cso_block_rope(engine, a->q, m, h->n_heads, in->positions, false);
    cso_block_rope(engine, k, m, h->n_kv_heads, in->positions, false);
    cso_attention attention = {.plan = &engine->plan,
                               .list = &engine->plan.all,
                               .hparams = h,
                               .window = h->window && in->layer % h->window_every == 0 ? h->window : 0,
                               .n_rows = in->row_offset + m,
                               .q = a->q,
                               .k = in->k,
                               .v = in->v,
                               .out = a->attended,
                               .lse = a->lse};
    CSO_TRY(cso_attention_forward(&attention, err));

    float *attention_out = h->post_norms ? a->attention_out : a->mid;
    if (!h->post_norms)
        memcpy(a->mid, in->x, m * d * sizeof *a->mid);
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_O_PROJ, a->attended, m, attention_out, !h->post_norms,
                               a->lora[CSO_O_PROJ], err));
    if (h->post_norms)
        add_normed(engine, a->mid, in->x, attention_out, layer->post_attention_norm, m, a->rstd[CSO_POST_ATTENTION_NORM]);

    cso_rows_rmsnorm(engine->normed, a->mid, layer->ffn_norm, m, d, h->norm_eps, a->rstd[CSO_FFN_NORM]);
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_GATE_PROJ, engine->normed, m, a->gate, false, a->lora[CSO_GATE_PROJ],
                               err));
    CSO_TRY(
        cso_linear_forward(engine, adapter, in->layer, CSO_UP_PROJ, engine->normed, m, a->up, false, a->lora[CSO_UP_PROJ], err));
    cso_block_activation(engine, a, m);
    float *ffn_out = h->post_norms ? a->ffn_out : in->out;
    if (!h->post_norms)
        memcpy(in->out, a->mid, m * d * sizeof *in->out);
    CSO_TRY(cso_linear_forward(engine, adapter, in->layer, CSO_DOWN_PROJ, engine->act, m, ffn_out, !h->post_norms,
                               a->lora[CSO_DOWN_PROJ], err));
    if (h->post_norms)
        add_normed(engine, in->out, a->mid, ffn_out, layer->post_ffn_norm, m, a->rstd[CSO_POST_FFN_NORM]);
    return CSO_OK;
}
