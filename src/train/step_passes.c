/* step_passes.c - the tree in hand: its log-probabilities under reference and policy, and its gradient. */
#include "step_parts.h"

#include "base/clock.h"
#include "pace.h"

#include <math.h>
#include <string.h>

static const cso_example *example_at(const step *s, size_t batch_position) {
    return &s->job->data->examples[s->batch.example[batch_position]];
}

/* Whether the tree in hand needs a pass of the reference. */
static bool reference_is_missing(const step *s) {
    bool missing = step_needs(s, CSO_LOSS_MISMATCHED);
    for (size_t i = 0; i < s->here.in.n; i++)
        missing |= !cso_reference_cache_has(s->job->cache, s->batch.example[s->from + i]);
    return missing;
}

/* Costs of the passes over the tree in hand, for the time left. */
static void count_costs(step *s, size_t k) {
    const cso_model *model = cso_engine_model(s->job->engine);
    cso_pace *pace = s->job->pace;
    if (!pace)
        return;
    s->costs.reference = 0;
    if (step_needs(s, CSO_LOSS_REFERENCE) && reference_is_missing(s)) {
        const cso_pass_work reference = cso_engine_work(model, &s->tree, s->job->reference, 0, false);
        s->costs.reference = cso_pace_forward(pace, &reference);
    }
    const cso_pass_work policy =
        cso_engine_work(model, &s->tree, s->adapter, cso_engine_kept_layers(s->job->engine), s->grads != NULL);
    s->costs.forward = cso_pace_forward(pace, &policy);
    s->costs.backward = cso_pace_backward(pace, &policy);
    cso_pace_tree(pace, k, s->costs.reference + s->costs.forward + s->costs.backward);
}

cso_status step_begin_tree(step *s, size_t k, cso_error *err) {
    s->mark = cso_arena_get_mark(s->arena);
    s->from = s->batch.cuts[k];
    CSO_TRY(cso_batch_tree(&s->batch, k, s->arena, &s->tree, err));
    size_t limit = cso_engine_max_tokens(s->job->engine), n = s->batch.cuts[k + 1] - s->from;
    if (s->tree.n_tokens > limit)
        return cso_fail(err, CSO_ERR_USAGE,
                        "train.memory_gib: record %zu alone needs %zu tokens at once, the memory holds %zu (more memory or a "
                        "smaller data.max_length)",
                        example_at(s, s->from)->record + 1, s->tree.n_tokens, limit);
    size_t *first = cso_arena_alloc(s->arena, n + 1, sizeof *first);
    s->edges = cso_arena_alloc(s->arena, s->tree.n_edges, sizeof *s->edges);
    if (!first || !s->edges)
        return cso_fail_memory(err, "a tree's log-probabilities");
    for (size_t i = 0; i <= n; i++)
        first[i] = s->batch.first[s->from + i] - s->batch.first[s->from];
    s->squares = step_needs(s, CSO_LOSS_ALIGNMENT) ? cso_arena_alloc(s->arena, s->tree.n_edges, sizeof *s->squares) : NULL;
    if (step_needs(s, CSO_LOSS_ALIGNMENT) && !s->squares)
        return cso_fail_memory(err, "a tree's log-probabilities");
    const step_counts counts = {n, s->batch.example + s->from, first, s->tree.sequence_first};
    CSO_TRY(step_make_arrays(&s->here, s, &counts, err));
    count_costs(s, k);
    return CSO_OK;
}

void step_end_tree(step *s) {
    cso_pace_end_tree(s->job->pace, s->tree.n_tokens);
    cso_arena_release(s->arena, s->mark);
}

/* CSO_ERR_NUMERIC if one of the n log-probabilities of the example at this batch position is NaN or Inf. */
static cso_status check_example(const step *s, size_t batch_position, const double *logps, size_t n, const char *who,
                                cso_error *err) {
    const cso_example *example = example_at(s, batch_position);
    size_t k = 0;
    while (k < n && isfinite(logps[k]))
        k++;
    if (k == n)
        return CSO_OK;
    const char *name = example->n == 1 ? "text" : k == 0 ? "chosen reply" : k < example->n ? "rejected reply" : "other reply";
    return cso_fail(err, CSO_ERR_NUMERIC, "record %zu: the %s's log-probability of the %s is %f", example->record + 1, who, name,
                    logps[k]);
}

/* A NaN in one example spreads to unrelated examples of its tree; each alone tells whose it is. CSO_ERR_NUMERIC for the first that
 * is not finite, CSO_OK if all are. */
static cso_status find_bad_example(step *s, const cso_adapter *adapter, const char *who, cso_error *err) {
    for (size_t i = s->from; i < s->from + s->here.in.n; i++) {
        cso_arena_mark mark = cso_arena_get_mark(s->arena);
        cso_batch_source one = s->source;
        cso_batch alone;
        cso_tree tree;
        one.examples = &s->batch.example[i];
        one.n = 1;
        one.owner = NULL;
        CSO_TRY(cso_batch_make(&alone, &one, cso_engine_max_tokens(s->job->engine), s->arena, err));
        CSO_TRY(cso_batch_tree(&alone, 0, s->arena, &tree, err));
        double *edges = cso_arena_alloc(s->arena, tree.n_edges, sizeof *edges);
        double *logps = cso_arena_alloc(s->arena, tree.n_sequences, sizeof *logps);
        if (!edges || !logps)
            return cso_fail_memory(err, "a tree's log-probabilities");
        CSO_TRY(cso_engine_forward(s->job->engine, &tree, adapter, false, edges, err));
        cso_tree_sequence_logps(&tree, edges, logps);
        CSO_TRY(check_example(s, i, logps, tree.n_sequences, who, err));
        cso_arena_release(s->arena, mark);
    }
    return CSO_OK;
}

/* Log-probabilities of the edges and, in logps, of the sequences. squares: see cso_engine_forward_squares; NULL: not wanted. */
static cso_status forward(step *s, const cso_adapter *adapter, bool keep, double *squares, double *logps, const char *who,
                          cso_error *err) {
    CSO_TRY(cso_engine_forward_squares(s->job->engine, &s->tree, adapter, keep, s->edges, squares, err));
    cso_tree_sequence_logps(&s->tree, s->edges, logps);
    const size_t *first = s->here.in.first;
    for (size_t i = 0; i < s->here.in.n; i++) {
        size_t n = first[i + 1] - first[i];
        if (check_example(s, s->from + i, logps + first[i], n, who, NULL) == CSO_OK)
            continue;
        CSO_TRY(find_bad_example(s, adapter, who, err));
        return check_example(s, s->from + i, logps + first[i], n, who, err);
    }
    return CSO_OK;
}

cso_status step_reference_pass(step *s, cso_error *err) {
    cso_reference_cache *cache = s->job->cache;
    const size_t *example = s->batch.example + s->from, *first = s->here.in.first;
    double began = cso_clock(), *logps = s->here.reference;
    if (!step_needs(s, CSO_LOSS_REFERENCE))
        return CSO_OK;
    if (reference_is_missing(s)) {
        cso_adapter reference; /* without dropout */
        if (s->job->reference) {
            reference = *s->job->reference;
            reference.options.dropout = 0;
        }
        cso_pace_pass(s->job->pace, CSO_PASS_REFERENCE, s->costs.reference);
        CSO_TRY(forward(s, s->job->reference ? &reference : NULL, false, NULL, logps, "reference", err));
        cso_pace_end_pass(s->job->pace);
        for (size_t i = 0; i < s->here.in.n; i++)
            if (!cso_reference_cache_has(cache, example[i])) /* what is known stays: a value never changes within a run */
                cso_reference_cache_put(cache, example[i], logps + first[i]);
        s->result->reference_seconds += cso_clock() - began;
    }
    for (size_t i = 0; i < s->here.in.n; i++)
        memcpy(logps + first[i], cso_reference_cache_get(cache, example[i]), example_at(s, s->from + i)->n * sizeof *logps);
    return CSO_OK;
}

/* The mean over a sequence's counted tokens of log p - log sum_v p_v^2, without their weights. */
static void align_sequences(step *s) {
    const cso_tree *tree = &s->tree;
    for (size_t i = 0; i < tree->n_sequences; i++) {
        size_t from = tree->sequence_first[i], to = tree->sequence_first[i + 1];
        double sum = 0;
        for (size_t k = from; k < to; k++)
            sum += s->edges[tree->sequence_edges[k]] - s->squares[tree->sequence_edges[k]];
        s->here.alignment[i] = to > from ? sum / (double)(to - from) : 0;
    }
}

cso_status step_policy_pass(step *s, bool keep, cso_error *err) {
    cso_pace_pass(s->job->pace, CSO_PASS_FORWARD, s->costs.forward);
    CSO_TRY(forward(s, s->adapter, keep, s->squares, s->here.policy, "policy", err));
    cso_pace_end_pass(s->job->pace);
    for (size_t t = 0; t < s->here.n_tokens; t++)
        s->here.policy_tokens[t] = s->edges[s->tree.sequence_edges[t]];
    if (s->squares)
        align_sequences(s);
    return CSO_OK;
}

/* The derivatives become one weight for each edge: that of a sequence goes to all its edges, that of a token to its own. */
cso_status step_backward_pass(step *s, cso_error *err) {
    const double n = (double)s->source.n; /* the step's loss is a mean over its examples */
    double *d_policy = s->here.out.all.d_policy, *d_tokens = s->here.out.all.d_tokens;
    for (size_t i = 0; i < s->here.n_sequences; i++)
        d_policy[i] /= n;
    cso_tree_edge_weights(&s->tree, d_policy, s->edges);
    for (size_t t = 0; t < s->here.n_tokens; t++)
        s->edges[s->tree.sequence_edges[t]] += d_tokens[t] / n;
    for (size_t e = 0; e < s->tree.n_edges; e++)
        s->result->largest_weight = fmax(s->result->largest_weight, fabs(s->edges[e]));
    if (s->job->pace) { /* the forward pass has told by now which layers it kept */
        const cso_engine *engine = s->job->engine;
        const cso_pass_work work =
            cso_engine_work(cso_engine_model(engine), &s->tree, s->adapter, cso_engine_kept_layers(engine), true);
        cso_pace_pass(s->job->pace, CSO_PASS_BACKWARD, cso_pace_backward(s->job->pace, &work));
    }
    CSO_TRY(cso_engine_backward(s->job->engine, &s->tree, s->adapter, s->edges, s->grads, err));
    cso_pace_end_pass(s->job->pace);
    return CSO_OK;
}
