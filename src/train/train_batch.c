/* train_batch.c - which sequences a batch has, and how they are cut into trees. */
#include "train_batch.h"

#include "base/sort.h"

#include <string.h>

/* Trees that share nothing gain nothing from size: past some thousand tokens they only take memory. */
enum { UNSHARED_TOKENS = 2048 };

typedef struct place {
    size_t dialogue, example, step_index;
} place;

static int compare_places(const void *left, const void *right) {
    const place *a = left, *b = right;
    if (a->dialogue != b->dialogue)
        return a->dialogue < b->dialogue ? -1 : 1;
    if (a->example != b->example)
        return a->example < b->example ? -1 : 1;
    return a->step_index < b->step_index ? -1 : a->step_index > b->step_index;
}

/* The examples of a dialogue share the most: they are put side by side, in the data's order. */
static cso_status sort_examples(cso_batch *batch, const cso_batch_source *source, cso_arena *arena, cso_error *err) {
    place *places = cso_arena_alloc(arena, source->n, sizeof *places), *room = cso_arena_alloc(arena, source->n, sizeof *room);
    batch->example = cso_arena_alloc(arena, source->n, sizeof *batch->example);
    batch->step_index = cso_arena_alloc(arena, source->n, sizeof *batch->step_index);
    if (!places || !room || !batch->example || !batch->step_index)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < source->n; i++)
        if (!source->owner || source->owner[i] == source->rank)
            places[batch->n++] = (place){source->data->examples[source->examples[i]].dialogue, source->examples[i], i};
    cso_sort(places, room, batch->n, sizeof *places, compare_places);
    for (size_t i = 0; i < batch->n; i++) {
        batch->example[i] = places[i].example;
        batch->step_index[i] = places[i].step_index;
    }
    return CSO_OK;
}

static bool needs(const cso_batch_source *source, unsigned what) {
    return (source->objective->needs & what) != 0;
}

/* An example's own sequences, and one behind them where the objective asks for it. */
static size_t sequence_count(const cso_batch_source *source, size_t example) {
    return source->data->examples[example].n + needs(source, CSO_LOSS_MISMATCHED | CSO_LOSS_PROMPT);
}

/* The example whose completion is put behind the prompt of the step's example i. */
static const cso_example_sequence *example_before(const cso_batch_source *source, size_t i) {
    return cso_dataset_sequences(source->data, source->examples[i ? i - 1 : source->n - 1]);
}

/* The prompt of one sequence and the completion of another. ids NULL: the length only. */
static cso_example_sequence mismatch(const cso_example_sequence *prompt, const cso_example_sequence *completion, int32_t *ids) {
    size_t start = prompt->score_start, tail = completion->length - completion->score_start;
    if (ids) {
        memcpy(ids, prompt->ids, start * sizeof *ids);
        memcpy(ids + start, completion->ids + completion->score_start, tail * sizeof *ids);
    }
    return (cso_example_sequence){.ids = ids, .length = start + tail, .score_start = start};
}

/* The prompt, of which every token counts but the first. */
static cso_example_sequence prompt_of(const cso_example_sequence *own) {
    return (cso_example_sequence){.ids = own->ids, .length = own->score_start, .score_start = 1};
}

/* The sequence that the objective asks for beside the own ones. ids: room for a mismatched one; NULL: its length only. */
static cso_example_sequence extra_sequence(const cso_batch_source *source, size_t step_index, int32_t *ids) {
    const cso_example_sequence *own = cso_dataset_sequences(source->data, source->examples[step_index]);
    if (needs(source, CSO_LOSS_PROMPT))
        return prompt_of(own);
    return mismatch(own, example_before(source, step_index), ids);
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* What the counted tokens of an example's own sequence k count, into weights; NULL: only the sum is wanted. Conversations, whose counted
 * tokens have gaps, have no such weights. */
static double weigh_tokens(const cso_batch_source *source, const cso_example *example, size_t k, double *weights) {
    const cso_example_sequence *own = source->data->sequences + example->first, *sequence = &own[k];
    size_t n = cso_example_sequence_tokens(sequence), shared = n, from = sequence->length - n;
    double sum = 0;
    if (!source->objective->token_weights || sequence->scored)
        return (double)n;
    for (size_t i = 0; i < example->n; i++)
        shared = smaller(shared, cso_example_sequence_tokens(&own[i]));
    for (size_t t = 0; t < n; t++) {
        bool strategy = from + t >= sequence->strategy_from && from + t < sequence->strategy_to;
        double weight = cso_objective_token_weight(source->objective, t, shared, strategy);
        if (weights)
            weights[t] = weight;
        sum += weight;
    }
    return sum;
}

/* The tree's sequence for sequence k of the example at batch position i. */
static cso_status lay_sequence(cso_sequence *laid, const cso_batch *batch, size_t i, size_t k, const cso_batch_source *source,
                               cso_arena *arena, cso_error *err) {
    const cso_example *example = &source->data->examples[batch->example[i]];
    cso_example_sequence sequence;
    double *weights = NULL;
    if (k < example->n) {
        sequence = source->data->sequences[example->first + k];
        if (source->objective->token_weights && !sequence.scored) {
            weights = cso_arena_alloc(arena, cso_example_sequence_tokens(&sequence), sizeof *weights);
            if (!weights)
                return cso_fail_memory(err, "a batch");
            weigh_tokens(source, example, k, weights);
        }
    } else {
        int32_t *ids = NULL;
        if (needs(source, CSO_LOSS_MISMATCHED)) {
            ids = cso_arena_alloc(arena, extra_sequence(source, batch->step_index[i], NULL).length, sizeof *ids);
            if (!ids)
                return cso_fail_memory(err, "a batch");
        }
        sequence = extra_sequence(source, batch->step_index[i], ids);
    }
    size_t number = batch->first[i] + k;
    *laid = (cso_sequence){.ids = sequence.ids,
                           .length = sequence.length,
                           .scored = sequence.scored,
                           .score_start = sequence.score_start,
                           .weights = weights,
                           .group = source->packing == CSO_PACK_TREE   ? 0
                                    : source->packing == CSO_PACK_PAIR ? i
                                                                       : number};
    return CSO_OK;
}

/* The sequences of the example at batch position i. */
static cso_status lay_example(cso_batch *batch, size_t i, const cso_batch_source *source, cso_arena *arena, cso_error *err) {
    for (size_t s = batch->first[i]; s < batch->first[i + 1]; s++)
        CSO_TRY(lay_sequence(&batch->sequences[s], batch, i, s - batch->first[i], source, arena, err));
    return CSO_OK;
}

cso_status cso_batch_lay(cso_batch *batch, const cso_batch_source *source, cso_arena *arena, cso_error *err) {
    *batch = (cso_batch){0};
    CSO_TRY(sort_examples(batch, source, arena, err));
    batch->first = cso_arena_alloc(arena, batch->n + 1, sizeof *batch->first);
    if (!batch->first)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < batch->n; i++)
        batch->first[i + 1] = batch->first[i] + sequence_count(source, batch->example[i]);
    batch->sequences = cso_arena_alloc(arena, batch->first[batch->n], sizeof *batch->sequences);
    if (!batch->sequences)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < batch->n; i++)
        CSO_TRY(lay_example(batch, i, source, arena, err));
    return CSO_OK;
}

cso_status cso_batch_make(cso_batch *batch, const cso_batch_source *source, size_t max_tokens, cso_arena *arena, cso_error *err) {
    CSO_TRY(cso_batch_lay(batch, source, arena, err));
    if (source->packing != CSO_PACK_TREE && max_tokens > UNSHARED_TOKENS)
        max_tokens = UNSHARED_TOKENS;
    const cso_tree_units units = {batch->sequences, batch->first, batch->n};
    return cso_tree_plan(&units, max_tokens, arena, &batch->cuts, &batch->n_trees, err);
}

cso_status cso_batch_tree(const cso_batch *batch, size_t k, cso_arena *arena, cso_tree *tree, cso_error *err) {
    size_t from = batch->first[batch->cuts[k]], to = batch->first[batch->cuts[k + 1]];
    return cso_tree_build_in(tree, batch->sequences + from, to - from, arena, err);
}

cso_status cso_batch_count(const cso_batch_source *source, cso_arena *arena, size_t **first, size_t **token_first,
                           cso_loss_totals *totals, cso_error *err) {
    *totals = (cso_loss_totals){.examples = source->n};
    *first = cso_arena_alloc(arena, source->n + 1, sizeof **first);
    if (!*first)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < source->n; i++)
        (*first)[i + 1] = (*first)[i] + sequence_count(source, source->examples[i]);
    *token_first = cso_arena_alloc(arena, (*first)[source->n] + 1, sizeof **token_first);
    if (!*token_first)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < source->n; i++) {
        const cso_example *example = &source->data->examples[source->examples[i]];
        totals->first_tokens += weigh_tokens(source, example, 0, NULL);
        for (size_t s = (*first)[i], k = 0; s < (*first)[i + 1]; s++, k++) {
            bool is_own = k < example->n;
            cso_example_sequence sequence = is_own ? source->data->sequences[example->first + k] : extra_sequence(source, i, NULL);
            size_t n = cso_example_sequence_tokens(&sequence);
            (*token_first)[s + 1] = (*token_first)[s] + n;
            if (!is_own && needs(source, CSO_LOSS_PROMPT))
                totals->prompt_tokens += (double)n;
        }
    }
    return CSO_OK;
}
