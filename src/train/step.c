/* step.c - the log-probabilities, loss and gradient of one batch.
 *
 * For each tree of the batch: the reference's log-probabilities where the cache lacks one (the same tree, another adapter or
 * none), the policy's, the loss of each pair and its derivatives, which become one weight for each scored edge, and the
 * backward pass.
 */
#include "train_batch.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

/* Numbers for each pair of a tree, for each of a batch, and for each process. */
enum { PIECE_VALUES = 11, PAIR_VALUES = 5, COUNTS = 7 };

/* Per pair, in the caller's order. */
typedef struct pair_values {
    double *policy[2], *reference[2], *loss;
} pair_values;

/* One tree's worth of working memory. */
typedef struct piece {
    cso_tree tree;
    size_t from, n;       /* the pairs that stand at from .. from + n */
    double *edges;        /* (n_edges) log-probabilities, then their derivatives */
    double *logps;        /* (2 n) of the sequences: chosen, rejected, chosen, ... */
    double *values[2][2]; /* [policy, reference][chosen, rejected] (n) */
    double *tokens[2];    /* (n) */
    double *loss, *d[2];  /* (n) */
} piece;

static cso_status piece_make(piece *p, const cso_batch *batch, size_t k, cso_arena *arena, cso_error *err) {
    *p = (piece){.from = batch->cuts[k], .n = batch->cuts[k + 1] - batch->cuts[k]};
    CSO_TRY(cso_batch_tree(batch, k, arena, &p->tree, err));
    size_t n = p->n;
    double *next = cso_arena_alloc(arena, p->tree.n_edges + PIECE_VALUES * n, sizeof *next);
    if (!next)
        return cso_fail_memory(err, "a tree's log-probabilities");
    p->edges = next, next += p->tree.n_edges;
    p->logps = next, next += 2 * n;
    p->loss = next, next += n;
    for (int k2 = 0; k2 < 2; k2++) {
        p->values[0][k2] = next, next += n;
        p->values[1][k2] = next, next += n;
        p->tokens[k2] = next, next += n;
        p->d[k2] = next, next += n;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t side = 0; side < 2; side++) {
            size_t s = 2 * i + side;
            p->tokens[side][i] = (double)(p->tree.sequence_first[s + 1] - p->tree.sequence_first[s]);
        }
    return CSO_OK;
}

static const char *side_name(size_t side) {
    return side ? "rejected" : "chosen";
}

static cso_status fail_pair(const cso_batch_job *job, size_t pair, size_t side, double logp, const char *who, cso_error *err) {
    return cso_fail(err, CSO_ERR_NUMERIC, "record %zu: the %s's log-probability of the %s reply is %f",
                    job->data->examples[pair].record + 1, who, side_name(side), logp);
}

/* In the products of a tree a number that is none also gets to pairs that have nothing to do with it. Each pair alone tells
 * whose it is: CSO_ERR_NUMERIC for the first that is not finite, CSO_OK if all are. */
static cso_status find_bad_pair(const cso_batch_job *job, const piece *p, const cso_adapter *adapter, const cso_batch *batch,
                                const size_t *pairs, const char *who, cso_arena *arena, cso_error *err) {
    for (size_t i = 0; i < p->n; i++) {
        size_t pair = pairs[batch->order[p->from + i]];
        cso_arena_mark mark = cso_arena_get_mark(arena);
        cso_batch alone;
        piece one;
        CSO_TRY(cso_batch_make(&alone, job->data, &pair, 1, job->packing, cso_engine_max_tokens(job->engine), arena, err));
        CSO_TRY(piece_make(&one, &alone, 0, arena, err));
        CSO_TRY(cso_engine_forward(job->engine, &one.tree, adapter, false, one.edges, err));
        cso_tree_sequence_logps(&one.tree, one.edges, one.logps);
        for (size_t side = 0; side < 2; side++)
            if (!isfinite(one.logps[side]))
                return fail_pair(job, pair, side, one.logps[side], who, err);
        cso_arena_release(arena, mark);
    }
    return CSO_OK;
}

/* Runs the tree and gives the log-probability of each pair's replies. */
static cso_status forward(const cso_batch_job *job, piece *p, const cso_adapter *adapter, bool keep, const cso_batch *batch,
                          const size_t *pairs, double *const values[2], const char *who, cso_arena *arena, cso_error *err) {
    CSO_TRY(cso_engine_forward(job->engine, &p->tree, adapter, keep, p->edges, err));
    cso_tree_sequence_logps(&p->tree, p->edges, p->logps);
    for (size_t i = 0; i < p->n; i++)
        for (size_t side = 0; side < 2; side++) {
            double logp = p->logps[2 * i + side];
            if (!isfinite(logp)) {
                CSO_TRY(find_bad_pair(job, p, adapter, batch, pairs, who, arena, err));
                return fail_pair(job, pairs[batch->order[p->from + i]], side, logp, who, err);
            }
            values[side][i] = logp;
        }
    return CSO_OK;
}

static cso_status fill_reference(const cso_batch_job *job, piece *p, const cso_batch *batch, const size_t *pairs, cso_arena *arena,
                                 cso_batch_result *result, cso_error *err) {
    bool missing = false;
    double began = cso_clock();
    for (size_t i = 0; i < p->n; i++)
        missing |= !cso_reference_cache_has(job->cache, pairs[batch->order[p->from + i]]);
    if (missing) {
        cso_adapter reference;
        if (job->reference) {
            reference = *job->reference;
            reference.options.dropout = 0;
        }
        CSO_TRY(forward(job, p, job->reference ? &reference : NULL, false, batch, pairs, p->values[1], "reference", arena, err));
        for (size_t i = 0; i < p->n; i++) {
            size_t pair = pairs[batch->order[p->from + i]];
            if (!cso_reference_cache_has(job->cache, pair)) /* what is known stays: a value never changes within a run */
                cso_reference_cache_put(job->cache, pair, p->values[1][0][i], p->values[1][1][i]);
        }
        result->reference_seconds += cso_clock() - began;
    }
    for (size_t i = 0; i < p->n; i++)
        for (size_t side = 0; side < 2; side++)
            p->values[1][side][i] = job->cache->logps[pairs[batch->order[p->from + i]]][side];
    return CSO_OK;
}

/* pairs: this process's, of `total` in the whole batch; places: where each stands in that. */
static cso_status run_piece(const cso_batch_job *job, const cso_adapter *adapter, const cso_batch *batch, size_t k,
                            const size_t *pairs, const size_t *places, size_t total, float *grads, const pair_values *out,
                            cso_arena *arena, cso_batch_result *result, cso_error *err) {
    piece p;
    CSO_TRY(piece_make(&p, batch, k, arena, err));
    size_t limit = cso_engine_max_tokens(job->engine);
    if (p.tree.n_tokens > limit)
        return cso_fail(err, CSO_ERR_USAGE,
                        "train.memory_gib: record %zu alone needs %zu tokens at once, the memory holds %zu (more memory or a "
                        "smaller data.max_length)",
                        job->data->examples[pairs[batch->order[p.from]]].record + 1, p.tree.n_tokens, limit);
    CSO_TRY(fill_reference(job, &p, batch, pairs, arena, result, err));
    CSO_TRY(forward(job, &p, adapter, grads != NULL, batch, pairs, p.values[0], "policy", arena, err));
    cso_loss_batch losses = {.n = p.n};
    for (size_t side = 0; side < 2; side++) {
        losses.policy[side] = p.values[0][side];
        losses.reference[side] = p.values[1][side];
        losses.tokens[side] = p.tokens[side];
    }
    job->loss->pairs(&job->options, &losses, p.loss, p.d);
    for (size_t i = 0; i < p.n; i++) {
        size_t at = places[batch->order[p.from + i]];
        out->loss[at] = p.loss[i];
        for (size_t side = 0; side < 2; side++) {
            out->policy[side][at] = p.values[0][side][i];
            out->reference[side][at] = p.values[1][side][i];
            p.logps[2 * i + side] = p.d[side][i] / (double)total; /* the batch's loss is a mean */
        }
    }
    result->tokens += p.tree.n_tokens;
    result->tokens_unshared += p.tree.n_unshared_tokens;
    if (grads) {
        cso_tree_edge_weights(&p.tree, p.logps, p.edges);
        for (size_t e = 0; e < p.tree.n_edges; e++)
            result->largest_weight = fmax(result->largest_weight, fabs(p.edges[e]));
        CSO_TRY(cso_engine_backward(job->engine, &p.tree, adapter, p.edges, grads, err));
    }
    return CSO_OK;
}

/* Sums have 64 bits of mantissa at least: the mean of n equal losses is exactly that loss (ln 2 at the start of a run). */
static cso_pair_means take_means(const cso_batch_job *job, const pair_values *v, size_t n) {
    long double loss = 0, accuracy = 0, margin = 0, rewards[2] = {0, 0}, logps[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        double reward[2];
        for (size_t side = 0; side < 2; side++) {
            reward[side] = job->options.beta * (v->policy[side][i] - v->reference[side][i]);
            rewards[side] += reward[side];
            logps[side] += v->policy[side][i];
        }
        margin += reward[0] - reward[1];
        accuracy += reward[0] > reward[1];
        loss += v->loss[i];
    }
    return (cso_pair_means){
        .loss = (double)(loss / n),
        .rewards = {(double)(rewards[0] / n), (double)(rewards[1] / n)},
        .accuracy = (double)(accuracy / n),
        .margin = (double)(margin / n),
        .logps = {(double)(logps[0] / n), (double)(logps[1] / n)},
    };
}

/* Where a batch is cut decides last bits, so a run cuts as it did at its start even if there is more memory now. If there is
 * less, and that matters, the caller is told. */
static cso_status make_batch(const cso_batch_job *job, const size_t *pairs, size_t n, cso_arena *arena, cso_batch *batch,
                             bool *recut, cso_error *err) {
    size_t limit = cso_engine_max_tokens(job->engine), wanted = job->max_tokens ? job->max_tokens : limit;
    CSO_TRY(cso_batch_make(batch, job->data, pairs, n, job->packing, wanted < limit ? wanted : limit, arena, err));
    if (wanted <= limit)
        return CSO_OK;
    cso_batch as_before;
    CSO_TRY(cso_batch_make(&as_before, job->data, pairs, n, job->packing, wanted, arena, err));
    *recut = as_before.n_trees != batch->n_trees || memcmp(as_before.cuts, batch->cuts, (batch->n_trees + 1) * sizeof *batch->cuts);
    return CSO_OK;
}

/* This process's share of a batch: the pairs that stand at `places` in it. */
static cso_status run_share(const cso_batch_job *job, const cso_adapter *adapter, const size_t *pairs, const size_t *places,
                            size_t n, size_t total, float *grads, const pair_values *values, cso_arena *arena,
                            cso_batch_result *result, cso_error *err) {
    cso_batch batch;
    double flops = cso_engine_flops(job->engine);
    if (!n)
        return CSO_OK;
    CSO_TRY(make_batch(job, pairs, n, arena, &batch, &result->recut, err));
    result->trees = batch.n_trees;
    for (size_t k = 0; k < batch.n_trees; k++) {
        cso_arena_mark mark = cso_arena_get_mark(arena);
        CSO_TRY(run_piece(job, adapter, &batch, k, pairs, places, total, grads, values, arena, result, err));
        cso_arena_release(arena, mark);
    }
    result->flops = cso_engine_flops(job->engine) - flops;
    return CSO_OK;
}

/* Puts everyone's results together. values (n, PAIR_VALUES) are zero where another process has them, so that their sum is exact
 * and the means are those of one process. all: (ranks, COUNTS). */
static void share_results(const cso_batch_job *job, double *values, size_t n, double *all, cso_batch_result *result) {
    const double mine[COUNTS] = {(double)result->tokens,    (double)result->tokens_unshared, (double)result->trees, result->flops,
                                 result->reference_seconds, result->largest_weight,          result->recut};
    cso_comm_sum_f64(job->comm, values, PAIR_VALUES * n);
    cso_comm_gather_all(job->comm, mine, all, sizeof mine);
    *result = (cso_batch_result){0};
    for (int rank = 0; rank < cso_comm_size(job->comm); rank++, all += COUNTS) {
        result->tokens += (size_t)all[0];
        result->tokens_unshared += (size_t)all[1];
        result->trees += (size_t)all[2];
        result->flops += all[3];
        result->reference_seconds = fmax(result->reference_seconds, all[4]);
        result->largest_weight = fmax(result->largest_weight, all[5]);
        result->recut |= all[6] > 0;
    }
}

static cso_status run_batch(const cso_batch_job *job, const cso_adapter *adapter, const size_t *pairs, size_t n, float *grads,
                            cso_arena *arena, cso_batch_result *result, cso_error *err) {
    size_t ranks = (size_t)cso_comm_size(job->comm), count = 0;
    double *block = cso_arena_alloc(arena, (PAIR_VALUES + CSO_REFERENCE_VALUES) * n + COUNTS * ranks, sizeof *block);
    size_t *places = cso_arena_alloc(arena, n, sizeof *places), *mine = cso_arena_alloc(arena, n, sizeof *mine);
    int *owner = cso_arena_alloc(arena, n, sizeof *owner);
    if (!block || !places || !mine || !owner)
        return cso_fail_memory(err, "a batch");
    if (ranks > 1)
        CSO_TRY(cso_batch_deal(job->data, pairs, n, job->packing, ranks, owner, err));
    for (size_t i = 0; i < n; i++)
        if (owner[i] == cso_comm_rank(job->comm)) {
            places[count] = i;
            mine[count++] = pairs[i];
        }
    const pair_values values = {{block, block + n}, {block + 2 * n, block + 3 * n}, block + 4 * n};
    double *references = block + PAIR_VALUES * n, *counts = references + CSO_REFERENCE_VALUES * n;
    cso_status status = run_share(job, adapter, mine, places, count, n, grads, &values, arena, result, err);
    cso_reference_cache_share(job->cache, job->comm, pairs, owner, n, references); /* also where a process failed */
    CSO_TRY(cso_comm_agree(job->comm, status, err));
    if (ranks > 1) {
        share_results(job, block, n, counts, result);
        if (grads)
            cso_comm_sum_f32(job->comm, grads, adapter->n_params);
    }
    result->mean = take_means(job, &values, n);
    if (!isfinite(result->mean.loss))
        return cso_fail(err, CSO_ERR_NUMERIC, "the loss is %f", result->mean.loss);
    return CSO_OK;
}

cso_status cso_batch_run(const cso_batch_job *job, const cso_adapter *adapter, const size_t *pairs, size_t n, float *grads,
                         cso_batch_result *result, cso_error *err) {
    cso_arena own = {0}, *arena = job->arena ? job->arena : &own;
    *result = (cso_batch_result){0};
    cso_arena_reset(arena);
    cso_status status = run_batch(job, adapter, pairs, n, grads, arena, result, err);
    cso_arena_free(&own);
    return status;
}

size_t cso_batch_run_bytes(size_t n, const cso_tree *tree) {
    enum { PADDING = 1024 }; /* an arena rounds up, and may leave gaps */
    size_t values = tree->n_edges + (PIECE_VALUES + PAIR_VALUES + CSO_REFERENCE_VALUES) * n + COUNTS;
    return values * sizeof(double) + n * (2 * sizeof(size_t) + sizeof(int)) + PADDING;
}
