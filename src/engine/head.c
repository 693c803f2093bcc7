/* head.c - log-probabilities of scored edges and their gradient, one tile of nodes x vocabulary at a time.
 *
 * Only tokens with a scored edge (nodes) get logits z = W h, tile by tile of nodes and vocabulary. Forward keeps a running
 * maximum and an f64 sum of exponentials for each node and picks the logits of its edges. The gradient of a node's hidden
 * state, with p = softmax(z) and the weights w_e = dL/dlogp of its edges,
 *   dh = sum_e w_e W[target e] - (sum_e w_e) sum_v p_v W[v],
 * needs the weights as factors only. So the forward pass already sums over v, without the targets, while it has a tile of logits
 * (rescaled when the maximum grows, as in flash attention): two products with the head, where computing the logits again in the
 * backward pass would take three. The targets' rows follow in backward, with the factor w_e - p_e sum w
 * in f64: for a token the model is sure of this difference is small and must not drown in the rounding of the others. A soft
 * cap c = cap tanh(z / cap) multiplies p_v and w_e by its derivative 1 - (c / cap)^2.
 */
#include "engine_state.h"

#include "base/parallel.h"
#include "base/profile.h"
#include "kernels/kernels.h"
#include "rows.h"

#include <math.h>
#include <string.h>

enum { ROW_TILE = 8 };

typedef struct head_job {
    cso_engine *engine;
    const cso_tree *tree;
    size_t node0, vocab0, columns; /* this tile of logits */
    float *max;                    /* forward: running maximum of each node of the tile */
    double *sum;
    double *squares; /* of the exponentials, like sum; NULL: not wanted */
    double *edge_logps;
    size_t *edge_first; /* of each node of the tile, and one past */
} head_job;

/* The first edge of node `node`: edges are ascending by node. */
static size_t first_edge(const cso_tree *tree, size_t node) {
    size_t low = 0, high = tree->n_edges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((size_t)tree->edge_node[middle] < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* logits (m, columns) of tokens vocab0 .. vocab0 + columns, before the soft cap. */
static cso_status tile_logits(cso_engine *engine, const float *normed, size_t m, size_t vocab0, size_t columns, float *logits,
                              cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    return cso_gemm_nt(engine->gemm, logits, columns, normed, h->hidden, m, &engine->model->head, vocab0, columns, false, err);
}

static void cap_row(const cso_engine *engine, float *row, size_t n) {
    if (engine->model->hparams.final_softcap > 0)
        engine->ctx->kernels->softcap(row, n, engine->model->hparams.final_softcap);
}

/* Replaces a row of logits by exp(z - max), 0 for targets: the factors of the expected row of W. */
static void exponentials(const head_job *job, size_t i, float *row, int thread) {
    const cso_kernels *kernels = job->engine->ctx->kernels;
    float cap = job->engine->model->hparams.final_softcap, *capped = cso_scratch(job->engine->ctx->pool, thread);
    if (cap > 0)
        memcpy(capped, row, job->columns * sizeof *row);
    job->sum[i] += kernels->exp_sum(row, job->columns, job->max[i]);
    if (job->squares)
        job->squares[i] += kernels->dot(row, row, job->columns);
    if (cap > 0)
        kernels->softcap_backward(row, capped, job->columns, cap);
    for (size_t e = job->edge_first[i]; e < job->edge_first[i + 1]; e++) {
        size_t target = (size_t)job->tree->edge_target[e];
        if (target >= job->vocab0 && target < job->vocab0 + job->columns)
            row[target - job->vocab0] = 0;
    }
}

static void forward_rows(const void *context, size_t first, size_t count, int thread) {
    const head_job *job = context;
    const cso_kernels *kernels = job->engine->ctx->kernels;
    size_t d = job->engine->model->hparams.hidden;
    bool keep = job->engine->shape.keep;
    for (size_t i = first; i < first + count; i++) {
        float *row = job->engine->logits + i * job->columns;
        cap_row(job->engine, row, job->columns);
        float max = kernels->max(row, job->columns);
        if (max > job->max[i]) {
            double shrink = exp((double)job->max[i] - (double)max);
            job->sum[i] *= shrink;
            if (job->squares)
                job->squares[i] *= shrink * shrink;
            job->max[i] = max;
            if (keep && job->vocab0 > 0)
                kernels->scale(job->engine->node_dnormed + (job->node0 + i) * d, (float)shrink, d);
        }
        for (size_t e = job->edge_first[i]; e < job->edge_first[i + 1]; e++) {
            size_t target = (size_t)job->tree->edge_target[e];
            if (target >= job->vocab0 && target < job->vocab0 + job->columns)
                job->edge_logps[e] = (double)row[target - job->vocab0];
        }
        if (keep || job->squares)
            exponentials(job, i, row, thread);
        else
            job->sum[i] += kernels->exp_sum_only(row, job->columns, job->max[i]);
    }
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* All tiles of the vocabulary for up to CSO_HEAD_NODES nodes from node0. */
static cso_status forward_nodes(cso_engine *engine, const cso_tree *tree, size_t node0, size_t nodes, double *edge_logps,
                                double *edge_squares, cso_error *err) {
    const cso_hparams *h = &engine->model->hparams;
    float max[CSO_HEAD_NODES];
    double sum[CSO_HEAD_NODES], squares[CSO_HEAD_NODES];
    size_t edge_first[CSO_HEAD_NODES + 1];
    for (size_t i = 0; i < nodes; i++) {
        max[i] = -INFINITY;
        sum[i] = squares[i] = 0;
    }
    for (size_t i = 0; i <= nodes; i++)
        edge_first[i] = first_edge(tree, node0 + i);
    for (size_t vocab0 = 0; vocab0 < h->vocab; vocab0 += CSO_HEAD_VOCAB) {
        size_t columns = smaller(CSO_HEAD_VOCAB, h->vocab - vocab0);
        CSO_TRY(tile_logits(engine, engine->node_normed + node0 * h->hidden, nodes, vocab0, columns, engine->logits, err));
        CSO_TRY(cso_scratch_reserve(engine->ctx->pool, CSO_HEAD_VOCAB * sizeof(float), err));
        head_job job = {.engine = engine,
                        .tree = tree,
                        .node0 = node0,
                        .vocab0 = vocab0,
                        .columns = columns,
                        .max = max,
                        .sum = sum,
                        .squares = edge_squares ? squares : NULL,
                        .edge_logps = edge_logps,
                        .edge_first = edge_first};
        cso_rows(engine->ctx, nodes, ROW_TILE, forward_rows, &job);
        if (!engine->shape.keep)
            continue;
        CSO_TRY(cso_gemm_nn(engine->gemm, engine->node_dnormed + node0 * h->hidden, h->hidden, engine->logits, columns, nodes,
                            &engine->model->head, vocab0, columns, vocab0 > 0, err));
    }
    for (size_t i = 0; i < nodes; i++) {
        double lse = (double)max[i] + log(sum[i]);
        engine->node_inverse[node0 + i] = 1 / sum[i];
        engine->node_lse[node0 + i] = lse;
        for (size_t e = edge_first[i]; e < edge_first[i + 1]; e++) {
            edge_logps[e] -= lse;
            if (edge_squares)
                edge_squares[e] = log(squares[i]) - 2 * log(sum[i]);
        }
    }
    return CSO_OK;
}

cso_status cso_head_forward(cso_engine *engine, const cso_tree *tree, double *edge_logps, double *edge_squares, cso_error *err) {
    size_t n = tree->n_nodes, parts = (n + CSO_HEAD_NODES - 1) / CSO_HEAD_NODES;
    cso_phase phase = cso_profile_enter(CSO_PHASE_HEAD);
    cso_rows_rmsnorm(engine, engine->node_normed, engine->node_hidden, engine->model->final_norm, n, engine->node_rstd);
    for (size_t part = 0; part < parts; part++) { /* of equal size: a short last part would also read all of W */
        size_t node0 = n * part / parts;
        CSO_TRY(forward_nodes(engine, tree, node0, n * (part + 1) / parts - node0, edge_logps, edge_squares, err));
    }
    if (engine->shape.keep && tree->n_edges)
        memcpy(engine->edge_logps, edge_logps, tree->n_edges * sizeof *edge_logps);
    cso_profile_leave(phase);
    return CSO_OK;
}

typedef struct gradient_job {
    cso_engine *engine;
    const cso_tree *tree;
    const double *edge_weights;
} gradient_job;

/* node_dnormed from the expected rows of W to the gradient, and through the final norm. */
static void gradient_rows(const void *context, size_t first, size_t count, int thread) {
    const gradient_job *job = context;
    const cso_engine *engine = job->engine;
    const cso_tensor *w = &engine->model->head;
    const cso_kernels *kernels = engine->ctx->kernels;
    size_t d = engine->model->hparams.hidden;
    double cap = (double)engine->model->hparams.final_softcap;
    float *row = cso_scratch(engine->ctx->pool, thread);
    size_t e = first_edge(job->tree, first);
    for (size_t i = first; i < first + count; i++) {
        float *out = engine->node_dnormed + i * d;
        double weight = 0;
        size_t end = e;
        for (; end < job->tree->n_edges && (size_t)job->tree->edge_node[end] == i; end++)
            weight += job->edge_weights[end];
        kernels->scale(out, (float)(-weight * engine->node_inverse[i]), d);
        for (; e < end; e++) {
            double logp = engine->edge_logps[e], capped = (logp + engine->node_lse[i]) / cap;
            double factor = (job->edge_weights[e] - weight * exp(logp)) * (cap > 0 ? 1 - capped * capped : 1);
            kernels->dequantize_row[w->dtype](cso_tensor_row(w, (size_t)job->tree->edge_target[e]), row, d);
            kernels->axpy(out, row, (float)factor, d);
        }
        kernels->rmsnorm_backward(engine->d + i * d, out, engine->node_hidden + i * d, engine->model->final_norm,
                                  engine->node_rstd[i], d);
    }
}

cso_status cso_head_backward(cso_engine *engine, const cso_tree *tree, const double *edge_weights, cso_error *err) {
    size_t d = engine->model->hparams.hidden, n = tree->n_nodes;
    gradient_job job = {engine, tree, edge_weights};
    cso_phase phase = cso_profile_enter(CSO_PHASE_HEAD);
    CSO_TRY(cso_scratch_reserve(engine->ctx->pool, d * sizeof(float), err));
    memset(engine->d, 0, n * d * sizeof *engine->d);
    cso_rows(engine->ctx, n, ROW_TILE, gradient_rows, &job);
    cso_profile_leave(phase);
    return CSO_OK;
}

cso_status cso_head_logits(cso_engine *engine, const float *normed, size_t m, float *logits, cso_error *err) {
    size_t vocab = engine->model->hparams.vocab;
    CSO_TRY(tile_logits(engine, normed, m, 0, vocab, logits, err));
    for (size_t i = 0; i < m; i++)
        cap_row(engine, logits + i * vocab, vocab);
    return CSO_OK;
}
