/* step_arrays.c - the arrays that a loss is given and fills: of one tree, of the whole step, and of all ranks together. */
#include "step_parts.h"

#include <math.h>
#include <string.h>

/* How many f64 a loss's arrays hold. */
static size_t array_values(const cso_loss *loss, size_t n, size_t n_sequences, size_t n_tokens) {
    return n + 3 * n_sequences + (loss->needs & CSO_LOSS_TOKENS ? 2 * n_tokens : 0);
}

/* What ranks add up lies side by side: loss, policy, reference, policy_tokens. */
cso_status step_make_arrays(loss_arrays *a, const step *s, size_t n, const size_t *first, const size_t *token_first,
                            cso_error *err) {
    bool tokens = step_needs(s, CSO_LOSS_TOKENS);
    a->n_sequences = first[n];
    a->n_tokens = tokens ? token_first[first[n]] : 0;
    double *next = cso_arena_alloc(s->arena, array_values(s->job->loss, n, a->n_sequences, a->n_tokens), sizeof *next);
    if (!next)
        return cso_fail_memory(err, "a loss's arrays");
    a->loss = next, next += n;
    a->policy = next, next += a->n_sequences;
    a->reference = next, next += a->n_sequences;
    a->policy_tokens = next, next += a->n_tokens;
    a->out = (cso_loss_result){.loss = a->loss, .d_policy = next, .d_tokens = tokens ? next + a->n_sequences : NULL};
    a->in = (cso_loss_batch){.n = n,
                             .first = first,
                             .token_first = token_first,
                             .policy = a->policy,
                             .reference = step_needs(s, CSO_LOSS_REFERENCE) ? a->reference : NULL,
                             .policy_tokens = tokens ? a->policy_tokens : NULL,
                             .step = s->all.in.step};
    return CSO_OK;
}

void step_compute_loss(const step *s, loss_arrays *a) {
    s->job->loss->compute(&s->job->options, &a->in, &a->out);
}

/* Where the numbers of one example lie in the arrays of the tree in hand and in those of the step. */
typedef struct span {
    size_t here, there, n;                    /* sequences */
    size_t token_here, token_there, n_tokens; /* counted tokens; 0 where the loss wants none */
    size_t step_index;
} span;

static span example_span(const step *s, size_t i) {
    span x = {.here = s->here.in.first[i], .n = s->here.in.first[i + 1] - s->here.in.first[i]};
    x.step_index = s->batch.step_index[s->from + i];
    x.there = s->all.in.first[x.step_index];
    x.token_here = s->here.in.token_first[x.here];
    x.token_there = s->all.in.token_first[x.there];
    x.n_tokens = step_needs(s, CSO_LOSS_TOKENS) ? s->here.in.token_first[x.here + x.n] - x.token_here : 0;
    return x;
}

void step_store_values(step *s) {
    loss_arrays *all = &s->all, *here = &s->here;
    for (size_t i = 0; i < here->in.n; i++) {
        span x = example_span(s, i);
        all->loss[x.step_index] = here->loss[i];
        memcpy(all->policy + x.there, here->policy + x.here, x.n * sizeof *here->policy);
        memcpy(all->reference + x.there, here->reference + x.here, x.n * sizeof *here->reference);
        memcpy(all->policy_tokens + x.token_there, here->policy_tokens + x.token_here, x.n_tokens * sizeof *here->policy_tokens);
    }
}

void step_load_derivatives(step *s) {
    cso_loss_result *all = &s->all.out, *here = &s->here.out;
    for (size_t i = 0; i < s->here.in.n; i++) {
        span x = example_span(s, i);
        memcpy(here->d_policy + x.here, all->d_policy + x.there, x.n * sizeof *here->d_policy);
        if (x.n_tokens)
            memcpy(here->d_tokens + x.token_here, all->d_tokens + x.token_there, x.n_tokens * sizeof *here->d_tokens);
    }
}

/* Each rank has zeros where another has numbers, so the sums are exact and the same as those of one process. */
void step_share_arrays(step *s) {
    const loss_arrays *a = &s->all;
    cso_comm_sum_f64(s->job->comm, a->loss, a->in.n + 2 * a->n_sequences + a->n_tokens);
}

void step_share_counts(step *s) {
    cso_batch_result *r = s->result;
    const double mine[STEP_COUNTS] = {(double)r->tokens,    (double)r->tokens_unshared, (double)r->trees, r->flops,
                                      r->reference_seconds, r->largest_weight,          r->recut};
    cso_comm_gather_all(s->job->comm, mine, s->counts, sizeof mine);
    *r = (cso_batch_result){0};
    const double *all = s->counts;
    for (int rank = 0; rank < cso_comm_size(s->job->comm); rank++, all += STEP_COUNTS) {
        r->tokens += (size_t)all[0];
        r->tokens_unshared += (size_t)all[1];
        r->trees += (size_t)all[2];
        r->flops += all[3];
        r->reference_seconds = fmax(r->reference_seconds, all[4]);
        r->largest_weight = fmax(r->largest_weight, all[5]);
        r->recut |= all[6] > 0;
    }
}

size_t cso_batch_run_bytes(const cso_loss *loss, const cso_batch *batch, const cso_tree *tree) {
    enum { PADDING = 2048 }; /* an arena rounds up, and may leave gaps */
    size_t n = batch->n, n_sequences = batch->first[n], n_tokens = 0;
    for (size_t s = 0; s < n_sequences && loss->needs & CSO_LOSS_TOKENS; s++)
        n_tokens += batch->sequences[s].length;
    size_t values = tree->n_edges + 2 * array_values(loss, n, n_sequences, n_tokens) + n_sequences + n + STEP_COUNTS;
    return values * sizeof(double) + (2 * n + n_sequences) * sizeof(size_t) + n * sizeof(int) + PADDING;
}
