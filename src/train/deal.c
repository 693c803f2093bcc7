/* deal.c - which process computes which examples of a step. */
#include "train_batch.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct item {
    size_t cost, index;
} item;

static int compare_costs(const void *left, const void *right) {
    const item *a = left, *b = right;
    if (a->cost != b->cost)
        return a->cost > b->cost ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

cso_status cso_deal(const size_t *costs, size_t n, size_t ranks, int *owner, cso_error *err) {
    item *items = cso_calloc(n, sizeof *items);
    size_t *loads = cso_calloc(ranks, sizeof *loads);
    cso_status status = CSO_OK;
    if (!items || !loads) {
        status = cso_fail_memory(err, "dealing a batch");
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (item){costs[i], i};
    qsort(items, n, sizeof *items, compare_costs);
    for (size_t i = 0; i < n; i++) {
        size_t least = 0;
        for (size_t rank = 1; rank < ranks; rank++)
            if (loads[rank] < loads[least])
                least = rank;
        loads[least] += items[i].cost;
        owner[items[i].index] = (int)least;
    }
done:
    free(items);
    free(loads);
    return status;
}

/* The batch is sorted by dialogue; its k-th dialogue has the batch positions first[k] .. first[k + 1]. */
static size_t find_dialogues(const cso_batch *batch, const cso_dataset *data, size_t *first) {
    size_t count = 0;
    for (size_t i = 0; i < batch->n; i++)
        if (!i || data->examples[batch->example[i]].dialogue != data->examples[batch->example[i - 1]].dialogue)
            first[count++] = i;
    first[count] = batch->n;
    return count;
}

cso_status cso_batch_deal(const cso_batch_source *source, size_t ranks, int *owner, cso_error *err) {
    cso_arena arena = {0};
    cso_batch_source whole = *source;
    cso_batch batch;
    cso_status status;
    whole.owner = NULL;
    CSO_TRY_DONE(cso_batch_lay(&batch, &whole, &arena, err));
    size_t *first = cso_arena_alloc(&arena, batch.n + 1, sizeof *first), *costs = cso_arena_alloc(&arena, batch.n, sizeof *costs);
    int *owners = cso_arena_alloc(&arena, batch.n, sizeof *owners);
    if (!first || !costs || !owners) {
        status = cso_fail_memory(err, "dealing a batch");
        goto done;
    }
    size_t count = find_dialogues(&batch, source->data, first), unshared;
    for (size_t k = 0; k < count; k++) {
        size_t from = batch.first[first[k]], to = batch.first[first[k + 1]];
        CSO_TRY_DONE(cso_tree_measure(batch.sequences + from, to - from, &costs[k], &unshared, err));
    }
    CSO_TRY_DONE(cso_deal(costs, count, ranks, owners, err));
    for (size_t k = 0; k < count; k++)
        for (size_t i = first[k]; i < first[k + 1]; i++)
            owner[batch.step_index[i]] = owners[k];
done:
    cso_arena_free(&arena);
    return status;
}
