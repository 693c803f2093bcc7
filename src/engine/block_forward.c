/* block_forward.c - one block, the same for every family but for its switches. block_backward.c mirrors it line by line.
 *
 *   mid = x + post_norm(W_o attention(rope(W_q norm(x)), rope(W_k norm(x)), W_v norm(x)))
 *   out = mid + post_norm(W_down (activation(W_gate norm(mid)) * W_up norm(mid)))
 *
 * where only Gemma-2 has the post norms.
 */
#include "block.h"

#include "rows.h"

static cso_status project(const cso_block *b, cso_module first, int count, const float *x, float *const *y, bool accumulate,
                          cso_error *err) {
    cso_linear linear = cso_block_linear(b, first, count, x);
    return cso_linear_forward(b->engine, &linear, y, accumulate, err);
}

/* Queries of the S rows, keys and values of all T. */
static cso_status project_qkv(const cso_block *b, const float *normed, float *q, float *k, float *v, cso_error *err) {
    float *const qkv[] = {q, k, v}, *node_normed = b->engine->node_normed;
    if (!b->nodes)
        return project(b, CSO_Q_PROJ, 3, normed, qkv, false, err);
    cso_rows_gather(b->engine->ctx, node_normed, normed, b->nodes, b->n, b->engine->model->hparams.hidden);
    CSO_TRY(project(b, CSO_Q_PROJ, 1, node_normed, qkv, false, err));
    return project(b, CSO_K_PROJ, 2, normed, qkv + 1, false, err);
}

/* stream += x W^T, or with post norms stream += norm(raw), raw = x W^T. */
static cso_status add_branch(const cso_block *b, cso_module module, const float *x, float *raw, cso_norm post_norm, float *stream,
                             cso_error *err) {
    if (!b->engine->model->hparams.post_norms)
        return project(b, module, 1, x, &stream, true, err);
    CSO_TRY(project(b, module, 1, x, &raw, false, err));
    return cso_block_add_norm(b, post_norm, stream, raw, err);
}

static cso_status attention_forward(const cso_block *b, cso_error *err) {
    const cso_hparams *h = &b->engine->model->hparams;
    const size_t T = b->m, S = b->n;
    cso_activations *a = b->a;
    const cso_attention attention = cso_block_attention(b);
    float *normed = b->engine->normed;     /* (T, D) */
    float *q = a->q, *k = b->k, *v = b->v; /* (S, H, E), (T, G, E), (T, G, E) */

    cso_block_norm(b, CSO_INPUT_NORM, normed, b->x, T);                    /* normed = norm(x) */
    CSO_TRY(project_qkv(b, normed, q, k, v, err));                         /* q, k, v = normed W_q^T, normed W_k^T, normed W_v^T */
    cso_block_rope(b, q, S, h->n_heads, b->nodes, false);                  /* q = rope(q) */
    cso_block_rope(b, k, T, h->n_kv_heads, NULL, false);                   /* k = rope(k) */
    CSO_TRY(cso_attention_forward(&attention, err));                       /* attended (S, H, E) = softmax(q k^T) v */
    cso_rows_gather(b->engine->ctx, a->mid, b->x, b->nodes, S, h->hidden); /* mid (S, D) = x */
    /* mid += post_norm(attended W_o^T) */
    return add_branch(b, CSO_O_PROJ, a->attended, a->attention_out, CSO_POST_ATTENTION_NORM, a->mid, err);
}

static cso_status mlp_forward(const cso_block *b, cso_error *err) {
    const size_t S = b->n;
    cso_activations *a = b->a;
    float *normed = b->engine->normed, *act = b->engine->act; /* (S, D), (S, F) */
    float *const gate_up[] = {a->gate, a->up};                /* (S, F) each */

    cso_block_norm(b, CSO_FFN_NORM, normed, a->mid, S);                 /* normed = norm(mid) */
    CSO_TRY(project(b, CSO_GATE_PROJ, 2, normed, gate_up, false, err)); /* gate, up = normed W_gate^T, normed W_up^T */
    cso_block_activation(b);                                            /* act = activation(gate) * up */
    cso_rows_gather(b->engine->ctx, b->out, a->mid, NULL, S, b->engine->model->hparams.hidden); /* out (S, D) = mid */
    /* out += post_norm(act W_down^T) */
    return add_branch(b, CSO_DOWN_PROJ, act, a->ffn_out, CSO_POST_FFN_NORM, b->out, err);
}

cso_status cso_block_forward(const cso_block *b, cso_error *err) {
    CSO_TRY(attention_forward(b, err));
    return mlp_forward(b, err);
}
