/* block_backward.c - block_forward.c in reverse, line by line: the comment at a line is the line of block_forward.c whose gradient
 * it computes, or ends in "again" where it computes an output that was not kept. d holds the gradient of the residual stream
 * throughout: of out, then of mid, then of x. */
#include "block.h"

#include "rows.h"

#include <string.h>

static cso_status project_backward(const cso_block *b, cso_module first, int count, const float *x, const float *const *dy,
                                   float *dx, cso_error *err) {
    cso_linear linear = cso_block_linear(b, first, count, x);
    return cso_linear_backward(b->engine, &linear, dy, dx, b->grads, err);
}

static cso_status project_qkv_backward(const cso_block *b, const float *normed, const float *const dqkv[3], float *dnormed,
                                       cso_error *err) {
    size_t width = b->engine->model->hparams.hidden;
    float *node_normed = b->engine->node_normed, *node_dnormed = dnormed ? b->engine->node_dnormed : NULL;
    if (!b->nodes)
        return project_backward(b, CSO_Q_PROJ, 3, normed, dqkv, dnormed, err);
    cso_rows_gather(b->engine->ctx, node_normed, normed, b->nodes, b->n, width);
    CSO_TRY(project_backward(b, CSO_Q_PROJ, 1, node_normed, dqkv, node_dnormed, err));
    CSO_TRY(project_backward(b, CSO_K_PROJ, 2, normed, dqkv + 1, dnormed, err));
    if (dnormed)
        cso_rows_scatter_add(b->engine->ctx, dnormed, node_dnormed, b->nodes, b->n, width);
    return CSO_OK;
}

/* From the stream's gradient d to dx. With post norms draw, the gradient of raw = x W^T, takes the place of d. */
static cso_status add_branch_backward(const cso_block *b, cso_module module, const float *x, const float *raw, cso_norm post_norm,
                                      float *dx, cso_error *err) {
    cso_engine *engine = b->engine;
    const float *d = engine->d;
    float *draw = engine->dnormed; /* (S, D) */
    if (!engine->model->hparams.post_norms)
        return project_backward(b, module, 1, x, &d, dx, err);
    memset(draw, 0, b->n * engine->model->hparams.hidden * sizeof *draw);
    cso_block_norm_backward(b, post_norm, draw, d, raw, b->n);
    return project_backward(b, module, 1, x, (const float *const[]){draw}, dx, err);
}

static cso_status mlp_backward(const cso_block *b, cso_error *err) {
    const size_t S = b->n;
    cso_activations *a = b->a;
    float *normed = b->engine->normed, *act = b->engine->act; /* (S, D), (S, F) */
    float *d = b->engine->d, *dnormed = b->engine->dnormed;   /* (S, D) */
    float *dact = b->engine->dact;                            /* (S, F) */
    float *dgate = a->gate, *dup = a->up;                     /* (S, F), overwritten */
    const float *const dgate_up[] = {dgate, dup};

    cso_block_activation(b); /* act = activation(gate) * up, again */
    /* out += post_norm(act W_down^T) */
    CSO_TRY(add_branch_backward(b, CSO_DOWN_PROJ, act, a->ffn_out, CSO_POST_FFN_NORM, dact, err));
    /* out = mid: d stays as it is */
    cso_block_activation_backward(b, dact, dgate, dup);                             /* act = activation(gate) * up */
    cso_block_norm(b, CSO_FFN_NORM, normed, a->mid, S);                             /* normed = norm(mid), again */
    CSO_TRY(project_backward(b, CSO_GATE_PROJ, 2, normed, dgate_up, dnormed, err)); /* gate, up = normed W_gate^T, normed W_up^T */
    cso_block_norm_backward(b, CSO_FFN_NORM, d, dnormed, a->mid, S);                /* normed = norm(mid) */
    return CSO_OK;
}

static cso_status attention_backward(const cso_block *b, bool input_wanted, cso_error *err) {
    const cso_hparams *h = &b->engine->model->hparams;
    const size_t T = b->m, S = b->n;
    cso_activations *a = b->a;
    const cso_attention attention = cso_block_attention(b);
    float *normed = b->engine->normed;                          /* (T, D) */
    float *d = b->engine->d;                                    /* (S, D), then (T, D) */
    float *dnormed = input_wanted ? b->engine->dnormed : NULL;  /* (T, D) */
    float *dattended = b->engine->dattended;                    /* (S, H, E) */
    float *dq = a->q, *dk = b->engine->dk, *dv = b->engine->dv; /* (S, H, E), overwrites q; (T, G, E) each */
    const float *const dqkv[] = {dq, dk, dv};

    /* mid += post_norm(attended W_o^T) */
    CSO_TRY(add_branch_backward(b, CSO_O_PROJ, a->attended, a->attention_out, CSO_POST_ATTENTION_NORM, dattended, err));
    if (input_wanted && b->nodes)
        cso_block_spread(b, d);                                              /* mid = x */
    CSO_TRY(cso_attention_backward(&attention, dattended, dq, dk, dv, err)); /* attended = softmax(q k^T) v */
    cso_block_rope(b, dk, T, h->n_kv_heads, NULL, true);                     /* k = rope(k) */
    cso_block_rope(b, dq, S, h->n_heads, b->nodes, true);                    /* q = rope(q) */
    cso_block_norm(b, CSO_INPUT_NORM, normed, b->x, T);                      /* normed = norm(x), again */
    CSO_TRY(project_qkv_backward(b, normed, dqkv, dnormed, err)); /* q, k, v = normed W_q^T, normed W_k^T, normed W_v^T */
    if (input_wanted)
        cso_block_norm_backward(b, CSO_INPUT_NORM, d, dnormed, b->x, T); /* normed = norm(x) */
    return CSO_OK;
}

cso_status cso_block_backward(const cso_block *b, bool input_wanted, cso_error *err) {
    CSO_TRY(mlp_backward(b, err));
    return attention_backward(b, input_wanted, err);
}
