/* step.c - the course of one step, from examples to loss and gradient: cso_batch_run, whose heart is run_trees.
 *
 * The examples are dealt to the ranks, laid out and cut into trees. For each tree: the reference's log-probabilities where the
 * cache lacks one (the same tree, another adapter or none), the policy's, the loss of each example and its derivatives, which
 * become one weight for each scored edge, and the backward pass. At the end the ranks' numbers and gradients are added up.
 */
#include "step_parts.h"

#include "pace.h"

#include <math.h>
#include <string.h>

/* What is known of the step before any pass, and room for all its examples. */
static cso_status begin(step *s, cso_error *err) {
    size_t *first, *token_first, n = s->source.n, ranks = (size_t)cso_comm_size(s->job->comm);
    CSO_TRY(cso_batch_count(&s->source, s->arena, &first, &token_first, &s->all.in.step, err));
    const step_counts counts = {n, s->source.examples, first, token_first};
    CSO_TRY(step_make_arrays(&s->all, s, &counts, err));
    s->references = cso_arena_alloc(s->arena, cso_reference_cache_block(s->job->data, s->source.examples, n), sizeof(double));
    s->counts = cso_arena_alloc(s->arena, STEP_COUNTS * ranks, sizeof *s->counts);
    int *owner = cso_arena_alloc(s->arena, n, sizeof *owner);
    if (!s->references || !s->counts || !owner)
        return cso_fail_memory(err, "a batch");
    if (ranks > 1)
        CSO_TRY(cso_batch_deal(&s->source, ranks, owner, err));
    s->source.owner = owner;
    return CSO_OK;
}

/* Lays out this rank's examples and cuts them into trees. Where they are cut decides last bits, so a run cuts as it did at its
 * start even if there is more memory now. If there is less, and that matters, the caller is told. */
static cso_status cut_trees(step *s, cso_error *err) {
    size_t limit = cso_engine_max_tokens(s->job->engine);
    size_t wanted = s->job->max_tokens ? s->job->max_tokens : cso_engine_tree_tokens(s->job->engine);
    CSO_TRY(cso_batch_make(&s->batch, &s->source, wanted < limit ? wanted : limit, s->arena, err));
    s->result->trees = s->batch.n_trees;
    size_t again = s->grads && step_needs(s, CSO_LOSS_WHOLE_BATCH) && s->batch.n_trees ? s->batch.n_trees - 1 : 0;
    cso_pace_batch(s->job->pace, s->batch.n_trees, s->batch.n_trees + again);
    if (wanted <= limit)
        return CSO_OK;
    cso_batch before;
    CSO_TRY(cso_batch_make(&before, &s->source, wanted, s->arena, err));
    s->result->recut =
        before.n_trees != s->batch.n_trees || memcmp(before.cuts, s->batch.cuts, (before.n_trees + 1) * sizeof *before.cuts) != 0;
    return CSO_OK;
}

static void count_tree(step *s) {
    s->result->tokens += s->tree.n_tokens;
    s->result->tokens_unshared += s->tree.n_unshared_tokens;
}

/* Tree after tree, each done before the next begins. */
static cso_status run_trees(step *s, cso_error *err) {
    for (size_t k = 0; k < s->batch.n_trees; k++) {
        CSO_TRY(step_begin_tree(s, k, err));
        CSO_TRY(step_reference_pass(s, err));
        CSO_TRY(step_policy_pass(s, s->grads != NULL, err));
        step_compute_loss(s, &s->here);
        step_store_values(s);
        if (s->grads)
            CSO_TRY(step_backward_pass(s, err));
        count_tree(s);
        step_end_tree(s);
    }
    return CSO_OK;
}

/* For losses that need the whole batch: first the log-probabilities of all trees. The last tree stays in hand, its activations kept
 * for its backward pass. With dropout the others keep theirs, too, though in vain: a pass without them has no dropout. */
static cso_status forward_trees(step *s, cso_error *err) {
    bool dropout = s->grads && s->adapter->options.dropout > 0;
    for (size_t k = 0; k < s->batch.n_trees; k++) {
        bool last = k + 1 == s->batch.n_trees;
        CSO_TRY(step_begin_tree(s, k, err));
        CSO_TRY(step_reference_pass(s, err));
        CSO_TRY(step_policy_pass(s, dropout || (s->grads && last), err));
        step_store_values(s);
        count_tree(s);
        if (!last)
            step_end_tree(s);
    }
    return CSO_OK;
}

/* Then, the loss being known, the backward passes: of the last tree, and of the others after another forward pass. */
static cso_status backward_trees(step *s, cso_error *err) {
    for (size_t i = 0; s->grads && i < s->batch.n_trees; i++) {
        if (i > 0) {
            CSO_TRY(step_begin_tree(s, i - 1, err));
            CSO_TRY(step_policy_pass(s, true, err));
        }
        step_load_derivatives(s);
        CSO_TRY(step_backward_pass(s, err));
        step_end_tree(s);
    }
    return CSO_OK;
}

/* Every rank calls this once, failed or not; if one failed, all fail. */
static cso_status agree(step *s, cso_status status, cso_error *err) {
    if (s->job->cache)
        cso_reference_cache_share(s->job->cache, s->job->comm, s->source.examples, s->source.owner, s->source.n, s->references);
    return cso_comm_agree(s->job->comm, status, err);
}

static cso_status run_passes(step *s, cso_error *err) {
    bool whole_batch = step_needs(s, CSO_LOSS_WHOLE_BATCH);
    cso_status status = cut_trees(s, err);
    if (status == CSO_OK)
        status = whole_batch ? forward_trees(s, err) : run_trees(s, err);
    CSO_TRY(agree(s, status, err));
    step_share_arrays(s);
    if (!whole_batch)
        return CSO_OK;
    step_compute_loss(s, &s->all);
    return cso_comm_agree(s->job->comm, backward_trees(s, err), err);
}

static cso_status run(step *s, cso_error *err) {
    double flops = cso_engine_flops(s->job->engine);
    CSO_TRY(begin(s, err));
    CSO_TRY(run_passes(s, err));
    s->result->flops = cso_engine_flops(s->job->engine) - flops;
    if (cso_comm_size(s->job->comm) > 1) {
        step_share_counts(s);
        if (s->grads)
            cso_comm_sum_f32(s->job->comm, s->grads, s->adapter->n_params);
    }
    const cso_step_values values = {s->job->data, s->source.examples, &s->all.in, s->all.loss, s->all.parts};
    cso_metric_table_compute(s->job->metrics, &values, s->result->metrics, s->result->weights);
    if (!isfinite(s->result->metrics[0]))
        return cso_fail(err, CSO_ERR_NUMERIC, "the loss is %f", s->result->metrics[0]);
    return CSO_OK;
}

cso_status cso_batch_run(const cso_batch_job *job, const cso_adapter *adapter, const size_t *examples, size_t n, float *grads,
                         cso_batch_result *result, cso_error *err) {
    cso_arena own = {0};
    step s = {.job = job, .adapter = adapter, .grads = grads, .arena = job->arena ? job->arena : &own, .result = result};
    s.source = (cso_batch_source){
        .data = job->data,
        .examples = examples,
        .n = n,
        .rank = cso_comm_rank(job->comm),
        .packing = job->packing,
        .objective = job->objective,
    };
    *result = (cso_batch_result){0};
    cso_arena_reset(s.arena);
    cso_status status = run(&s, err);
    cso_arena_free(&own);
    return status;
}
