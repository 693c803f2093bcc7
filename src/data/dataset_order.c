/* dataset_order.c - the order of the pairs in an epoch. */
#include "dataset.h"

#include "base/rng.h"
#include "dataset_store.h"

#include <string.h>

const char *const cso_shuffle_words[] = {
    [CSO_SHUFFLE_DIALOGUE] = "dialogue",
    [CSO_SHUFFLE_PAIR] = "pair",
    [CSO_SHUFFLE_NONE] = "none",
    NULL,
};

/* Dialogues in random order, the pairs of each in their own. Needs no memory of its own: the shuffled dialogues lie at the
 * end of order[], and each gives its pairs to the front. The front never overtakes the dialogues that are still to be read,
 * for each of those has at least one pair to come. */
static void order_dialogues(const cso_dataset *data, cso_rng *rng, size_t *order) {
    size_t dialogues = data->counts.dialogues, *shuffled = order + data->count - dialogues, used = 0;
    for (size_t i = 0; i < dialogues; i++)
        shuffled[i] = i;
    cso_rng_shuffle(rng, shuffled, dialogues);
    for (size_t i = 0; i < dialogues; i++) {
        size_t dialogue = shuffled[i];
        const size_t *first = data->store->dialogue_first;
        size_t count = first[dialogue + 1] - first[dialogue];
        memcpy(order + used, data->store->dialogue_pairs + first[dialogue], count * sizeof *order);
        used += count;
    }
}

void cso_dataset_order(const cso_dataset *data, cso_shuffle shuffle, uint64_t seed, size_t epoch, size_t *order) {
    cso_rng rng = cso_rng_make(seed, CSO_STREAM_SHUFFLE, epoch);
    if (shuffle == CSO_SHUFFLE_DIALOGUE) {
        order_dialogues(data, &rng, order);
        return;
    }
    for (size_t i = 0; i < data->count; i++)
        order[i] = i;
    if (shuffle == CSO_SHUFFLE_PAIR)
        cso_rng_shuffle(&rng, order, data->count);
}
