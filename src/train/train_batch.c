/* train_batch.c - which sequences a batch has, and how they are cut into trees. */
#include "train_batch.h"

#include "base/sort.h"

/* What shares nothing gains nothing from standing in one forest: past some thousand tokens that only takes memory. */
enum { UNSHARED_TOKENS = 2048 };

typedef struct place {
    size_t dialogue, pair, at;
} place;

static int compare_places(const void *left, const void *right) {
    const place *a = left, *b = right;
    if (a->dialogue != b->dialogue)
        return a->dialogue < b->dialogue ? -1 : 1;
    if (a->pair != b->pair)
        return a->pair < b->pair ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* The pairs of a dialogue share the most: they are put side by side, in the data's order. */
static cso_status sort_pairs(cso_batch *batch, const cso_dataset *data, const size_t *pairs, cso_arena *arena, cso_error *err) {
    place *places = cso_arena_alloc(arena, batch->n, sizeof *places), *room = cso_arena_alloc(arena, batch->n, sizeof *room);
    if (!places || !room)
        return cso_fail_memory(err, "a batch");
    for (size_t i = 0; i < batch->n; i++)
        places[i] = (place){data->pairs[pairs[i]].dialogue, pairs[i], i};
    cso_sort(places, room, batch->n, sizeof *places, compare_places);
    for (size_t i = 0; i < batch->n; i++)
        batch->order[i] = places[i].at;
    return CSO_OK;
}

cso_status cso_batch_lay(cso_batch *batch, const cso_dataset *data, const size_t *pairs, size_t n, cso_packing packing,
                         cso_arena *arena, cso_error *err) {
    *batch = (cso_batch){.n = n, .order = cso_arena_alloc(arena, n, sizeof *batch->order)};
    batch->sequences = cso_arena_alloc(arena, n, 2 * sizeof *batch->sequences);
    if (!batch->order || !batch->sequences)
        return cso_fail_memory(err, "a batch");
    CSO_TRY(sort_pairs(batch, data, pairs, arena, err));
    for (size_t i = 0; i < n; i++) {
        const cso_pair *pair = &data->pairs[pairs[batch->order[i]]];
        for (size_t k = 0; k < 2; k++)
            batch->sequences[2 * i + k] = (cso_sequence){
                .ids = pair->ids[k],
                .length = pair->length[k],
                .score_start = pair->prompt_length,
                .group = packing == CSO_PACK_TREE   ? 0
                         : packing == CSO_PACK_PAIR ? i
                                                    : 2 * i + k,
            };
    }
    return CSO_OK;
}

cso_status cso_batch_make(cso_batch *batch, const cso_dataset *data, const size_t *pairs, size_t n, cso_packing packing,
                          size_t max_tokens, cso_arena *arena, cso_error *err) {
    CSO_TRY(cso_batch_lay(batch, data, pairs, n, packing, arena, err));
    size_t *unit_first = cso_arena_alloc(arena, n + 1, sizeof *unit_first);
    if (!unit_first)
        return cso_fail_memory(err, "a batch");
    if (packing != CSO_PACK_TREE && max_tokens > UNSHARED_TOKENS)
        max_tokens = UNSHARED_TOKENS;
    for (size_t i = 0; i < n; i++)
        unit_first[i + 1] = 2 * (i + 1);
    const cso_tree_units units = {batch->sequences, unit_first, n};
    return cso_tree_plan(&units, max_tokens, arena, &batch->cuts, &batch->n_trees, err);
}

cso_status cso_batch_tree(const cso_batch *batch, size_t k, cso_arena *arena, cso_tree *tree, cso_error *err) {
    size_t from = batch->cuts[k], to = batch->cuts[k + 1];
    return cso_tree_build_in(tree, batch->sequences + 2 * from, 2 * (to - from), arena, err);
}
