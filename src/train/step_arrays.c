/* step_arrays.c - the arrays that a loss is given and fills: of one tree, of the whole step, and of all ranks together. */
#include "step_parts.h"

#include <math.h>
#include <string.h>

/* How many f64 a loss's arrays hold. */
static size_t array_values(const cso_objective *objective, size_t n, size_t n_sequences, size_t n_tokens) {
    bool aligned = objective->needs & CSO_LOSS_ALIGNMENT;
    return n * (2 + cso_objective_parts(objective)) + (3 + aligned) * n_sequences + 2 * n_tokens +
           cso_objective_room(objective, n, n_sequences, n_tokens);
}

/* What the data say of the examples. */
static void describe_examples(loss_arrays *a, const step *s, const step_counts *counts) {
    const cso_batch_job *job = s->job;
    for (size_t i = 0; i < counts->n; i++) {
        const cso_example *example = &job->data->examples[counts->examples[i]];
        if (job->weights)
            a->weights[i] = job->weights[counts->examples[i]];
        if (a->label)
            a->label[i] = example->label;
        for (size_t k = 0; a->rank && k < example->n; k++)
            a->rank[counts->first[i] + k] = job->data->sequences[example->first + k].rank;
    }
}

static double *take(double **next, size_t n) {
    double *taken = *next;
    *next += n;
    return taken;
}

/* What ranks add up lies side by side: loss, parts, policy, reference, policy_tokens. */
cso_status step_make_arrays(loss_arrays *a, const step *s, const step_counts *counts, cso_error *err) {
    const cso_objective *objective = s->job->objective;
    size_t n = counts->n, n_sequences = counts->first[n];
    size_t n_tokens = step_needs(s, CSO_LOSS_TOKENS) ? counts->token_first[n_sequences] : 0;
    bool lists = objective->takes == CSO_EXAMPLE_LIST, labels = objective->takes == CSO_EXAMPLE_LABELED;
    double *next = cso_arena_alloc(s->arena, array_values(objective, n, n_sequences, n_tokens), sizeof *next);
    a->rank = lists ? cso_arena_alloc(s->arena, n_sequences, sizeof *a->rank) : NULL;
    a->label = labels ? cso_arena_alloc(s->arena, n, sizeof *a->label) : NULL;
    if (!next || (lists && !a->rank) || (labels && !a->label))
        return cso_fail_memory(err, "a loss's arrays");
    a->n_sequences = n_sequences;
    a->n_tokens = n_tokens;
    a->loss = take(&next, n);
    a->parts = take(&next, n * cso_objective_parts(objective));
    a->policy = take(&next, n_sequences);
    a->reference = take(&next, n_sequences);
    a->policy_tokens = take(&next, n_tokens);
    a->alignment = step_needs(s, CSO_LOSS_ALIGNMENT) ? take(&next, n_sequences) : NULL;
    a->weights = take(&next, n);
    a->out.all = (cso_loss_result){.loss = a->loss, .d_policy = take(&next, n_sequences)};
    a->out.all.d_tokens = n_tokens ? take(&next, n_tokens) : NULL;
    a->out.parts = a->parts;
    a->out.room = next;
    a->in = (cso_loss_batch){.n = n,
                             .first = counts->first,
                             .token_first = counts->token_first,
                             .policy = a->policy,
                             .reference = step_needs(s, CSO_LOSS_REFERENCE) ? a->reference : NULL,
                             .policy_tokens = n_tokens ? a->policy_tokens : NULL,
                             .alignment = a->alignment,
                             .rank = a->rank,
                             .label = a->label,
                             .step = s->all.in.step};
    describe_examples(a, s, counts);
    return CSO_OK;
}

void step_compute_loss(const step *s, loss_arrays *a) {
    cso_objective_compute(s->job->objective, &a->in, s->job->weights ? a->weights : NULL, &a->out);
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
        size_t n_parts = cso_objective_parts(s->job->objective);
        all->loss[x.step_index] = here->loss[i];
        if (n_parts)
            memcpy(all->parts + x.step_index * n_parts, here->parts + i * n_parts, n_parts * sizeof *here->parts);
        memcpy(all->policy + x.there, here->policy + x.here, x.n * sizeof *here->policy);
        memcpy(all->reference + x.there, here->reference + x.here, x.n * sizeof *here->reference);
        memcpy(all->policy_tokens + x.token_there, here->policy_tokens + x.token_here, x.n_tokens * sizeof *here->policy_tokens);
    }
}

void step_load_derivatives(step *s) {
    cso_loss_result *all = &s->all.out.all, *here = &s->here.out.all;
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
    size_t per_example = 1 + cso_objective_parts(s->job->objective);
    cso_comm_sum_f64(s->job->comm, a->loss, per_example * a->in.n + 2 * a->n_sequences + a->n_tokens);
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

size_t cso_batch_run_bytes(const cso_objective *objective, const cso_batch *batch, const cso_tree *tree) {
    enum { PADDING = 4096 }; /* an arena rounds up, and may leave gaps */
    size_t n = batch->n, n_sequences = batch->first[n], n_tokens = 0, edges = tree->n_edges;
    for (size_t s = 0; s < n_sequences && objective->needs & CSO_LOSS_TOKENS; s++)
        n_tokens += batch->sequences[s].length;
    if (objective->needs & CSO_LOSS_ALIGNMENT)
        edges *= 2;
    size_t values = edges + 2 * array_values(objective, n, n_sequences, n_tokens) + n_sequences + n + STEP_COUNTS;
    return values * sizeof(double) + (4 * n + 3 * n_sequences) * sizeof(size_t) + 3 * n * sizeof(int) + PADDING;
}
