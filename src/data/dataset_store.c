/* dataset_store.c - token ids in blocks, and the fingerprint over them. */
#include "dataset_store.h"

#include "base/memory.h"
#include "hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_IDS = 1 << 18 };

/* Room for count ids; NULL: out of memory. */
static int32_t *take(struct cso_dataset_store *store, size_t count) {
    if (store->room - store->used < count) {
        size_t room = count > BLOCK_IDS ? count : BLOCK_IDS;
        if (!cso_grow(&store->blocks, &store->block_capacity, store->block_count + 1, sizeof *store->blocks))
            return NULL;
        int32_t *block = cso_calloc(room, sizeof *block);
        if (!block)
            return NULL;
        store->blocks[store->block_count++] = block;
        store->used = 0;
        store->room = room;
    }
    int32_t *taken = store->blocks[store->block_count - 1] + store->used;
    store->used += count;
    return taken;
}

const uint8_t *dataset_store_scored(struct cso_dataset_store *store, const uint8_t *scored, size_t count) {
    uint8_t *copy = (uint8_t *)take(store, (count + sizeof(int32_t) - 1) / sizeof(int32_t));
    if (copy)
        memcpy(copy, scored, count);
    return copy;
}

const int32_t *dataset_store_ids(struct cso_dataset_store *store, size_t side, const int32_t *ids, size_t count) {
    if (store->last[side] && store->last_count[side] == count && !memcmp(store->last[side], ids, count * sizeof *ids))
        return store->last[side];
    int32_t *copy = take(store, count);
    if (!copy)
        return NULL;
    memcpy(copy, ids, count * sizeof *ids);
    store->last[side] = copy;
    store->last_count[side] = count;
    return copy;
}

void dataset_store_free(struct cso_dataset_store *store) {
    if (!store)
        return;
    for (size_t i = 0; i < store->block_count; i++)
        free(store->blocks[i]);
    free(store->blocks);
    free(store->dialogue_first);
    free(store->dialogue_examples);
    free(store);
}

bool dataset_index_dialogues(cso_dataset *data) {
    struct cso_dataset_store *store = data->store;
    size_t dialogues = data->counts.dialogues;
    size_t *first = store->dialogue_first = cso_calloc(dialogues + 2, sizeof *first);
    size_t *examples = store->dialogue_examples = cso_calloc(data->count, sizeof *examples);
    if (!first || !examples)
        return false;
    for (size_t i = 0; i < data->count; i++) /* counting sort; first[d + 2] counts, first[d + 1] becomes where dialogue d writes */
        first[data->examples[i].dialogue + 2]++;
    for (size_t d = 2; d <= dialogues; d++)
        first[d] += first[d - 1];
    for (size_t i = 0; i < data->count; i++)
        examples[first[data->examples[i].dialogue + 1]++] = i;
    return true;
}

static void hash_number(cso_digest *hash, uint64_t number) {
    cso_digest_add(hash, &number, sizeof number);
}

void dataset_fingerprint(cso_dataset *data) {
    cso_digest hash;
    cso_digest_begin(&hash);
    for (size_t i = 0; i < data->count; i++) {
        const cso_example *example = &data->examples[i];
        const cso_example_sequence *sequences = cso_dataset_sequences(data, i);
        hash_number(&hash, sequences->score_start);
        for (size_t k = 0; k < example->n; k++)
            hash_number(&hash, sequences[k].length);
        hash_number(&hash, example->dialogue);
        for (size_t k = 0; k < example->n; k++) {
            cso_digest_add(&hash, sequences[k].ids, sequences[k].length * sizeof *sequences[k].ids);
            if (sequences[k].scored)
                cso_digest_add(&hash, sequences[k].scored, sequences[k].length);
        }
    }
    cso_digest_hex(&hash, data->fingerprint);
}
