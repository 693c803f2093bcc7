/* block_ops.c - what the forward and the backward pass of a block are made of: operations on rows, and the arguments of attention
 * and projections. */
#include "block.h"

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "rows.h"

#include <string.h>

static const float *norm_weight(const cso_block *b, cso_norm norm) {
    const cso_layer *layer = &b->engine->model->layers[b->layer];
    const float *const weights[CSO_NORM_COUNT] = {[CSO_INPUT_NORM] = layer->input_norm,
                                                  [CSO_POST_ATTENTION_NORM] = layer->post_attention_norm,
                                                  [CSO_FFN_NORM] = layer->ffn_norm,
                                                  [CSO_POST_FFN_NORM] = layer->post_ffn_norm};
    return weights[norm];
}

void cso_block_norm(const cso_block *b, cso_norm norm, float *y, const float *x, size_t rows) {
    cso_rows_rmsnorm(b->engine, y, x, norm_weight(b, norm), rows, b->a->rstd[norm]);
}

void cso_block_norm_backward(const cso_block *b, cso_norm norm, float *dx, const float *dy, const float *x, size_t rows) {
    cso_rows_rmsnorm_backward(b->engine, dx, dy, x, norm_weight(b, norm), b->a->rstd[norm], rows);
}

typedef struct add_job {
    cso_context *ctx;
    float *y, *rstd;
    const float *x, *weight;
    size_t width;
    float eps;
} add_job;

static void add_norm_rows(const void *context, size_t first, size_t count, int thread) {
    const add_job *job = context;
    const cso_kernels *kernels = job->ctx->kernels;
    float *normed = cso_scratch(job->ctx->pool, thread);
    for (size_t i = first; i < first + count; i++) {
        job->rstd[i] = kernels->rmsnorm_forward(normed, job->x + i * job->width, job->weight, job->width, job->eps);
        kernels->add(job->y + i * job->width, normed, job->width);
    }
}

cso_status cso_block_add_norm(const cso_block *b, cso_norm norm, float *y, const float *x, cso_error *err) {
    const cso_hparams *h = &b->engine->model->hparams;
    CSO_TRY(cso_scratch_reserve(b->engine->ctx->pool, h->hidden * sizeof(float), err));
    add_job job = {b->engine->ctx, y, b->a->rstd[norm], x, norm_weight(b, norm), h->hidden, h->norm_eps};
    cso_rows(b->engine->ctx, b->n, 16, add_norm_rows, &job);
    return CSO_OK;
}

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

void cso_block_rope(const cso_block *b, float *x, size_t rows, size_t heads, const int32_t *nodes, bool inverse) {
    const cso_engine *engine = b->engine;
    size_t head_dim = engine->model->hparams.head_dim;
    rope_job job = {.kernels = engine->ctx->kernels,
                    .x = x,
                    .cosine = engine->rope,
                    .sine = engine->rope + engine->rope_positions * (head_dim / 2),
                    .positions = b->positions,
                    .nodes = nodes,
                    .heads = heads,
                    .head_dim = head_dim,
                    .inverse = inverse};
    cso_rows(b->engine->ctx, rows, 16, rope_rows, &job);
}

enum { ACTIVATION_TILE = 1 << 14 };

typedef struct activation_job {
    const cso_kernels *kernels;
    float *act, *dgate, *dup;
    const float *gate, *up, *dact;
    cso_activation activation;
} activation_job;

static void activation_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = job->kernels;
    (job->activation == CSO_GEGLU ? kernels->geglu_forward : kernels->swiglu_forward)(job->act + first, job->gate + first,
                                                                                      job->up + first, count);
}

void cso_block_activation(const cso_block *b) {
    const cso_hparams *h = &b->engine->model->hparams;
    activation_job job = {
        .kernels = b->engine->ctx->kernels, .act = b->engine->act, .gate = b->a->gate, .up = b->a->up, .activation = h->activation};
    cso_rows(b->engine->ctx, b->n * h->ffn, ACTIVATION_TILE, activation_tile, &job);
}

static void activation_backward_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const activation_job *job = context;
    const cso_kernels *kernels = job->kernels;
    (job->activation == CSO_GEGLU ? kernels->geglu_backward : kernels->swiglu_backward)(
        job->dgate + first, job->dup + first, job->dact + first, job->gate + first, job->up + first, count);
}

void cso_block_activation_backward(const cso_block *b, const float *dact, float *dgate, float *dup) {
    const cso_hparams *h = &b->engine->model->hparams;
    activation_job job = {.kernels = b->engine->ctx->kernels,
                          .dgate = dgate,
                          .dup = dup,
                          .gate = b->a->gate,
                          .up = b->a->up,
                          .dact = dact,
                          .activation = h->activation};
    cso_rows(b->engine->ctx, b->n * h->ffn, ACTIVATION_TILE, activation_backward_tile, &job);
}

/* A node's row in the layout is never before its row among the nodes, so this works in place from the end. */
void cso_block_spread(const cso_block *b, float *d) {
    size_t width = b->engine->model->hparams.hidden, end = b->m;
    for (size_t i = b->n; i-- > 0;) {
        size_t token = (size_t)b->nodes[i];
        memset(d + (token + 1) * width, 0, (end - token - 1) * width * sizeof *d);
        memmove(d + token * width, d + i * width, width * sizeof *d);
        end = token;
    }
    memset(d, 0, end * width * sizeof *d);
}

cso_attention cso_block_attention(const cso_block *b) {
    const cso_attention_plan *plan = &b->engine->plan;
    const cso_hparams *h = &b->engine->model->hparams;
    return (cso_attention){.ctx = b->engine->ctx,
                           .plan = plan,
                           .list = b->nodes ? &plan->nodes : &plan->all,
                           .hparams = h,
                           .window = h->window && b->layer % h->window_every == 0 ? h->window : 0,
                           .n_rows = b->m,
                           .q = b->a->q,
                           .k = b->k,
                           .v = b->v,
                           .out = b->a->attended,
                           .lse = b->a->lse};
}

cso_linear cso_block_linear(const cso_block *b, cso_module first, int count, const float *x) {
    bool all = first == CSO_K_PROJ;
    return (cso_linear){.adapter = b->adapter,
                        .layer = b->layer,
                        .first = first,
                        .count = count,
                        .x = x,
                        .m = all ? b->m : b->n,
                        .rows = all ? NULL : b->nodes,
                        .kept = b->a->lora[first]};
}
