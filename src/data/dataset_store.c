/* dataset_store.c - token ids in blocks, and the fingerprint over them. */
#include "dataset_store.h"

#include "base/memory.h"
#include "hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_IDS = 1 << 18 };

const int32_t *dataset_store_ids(struct cso_dataset_store *store, int side, const int32_t *ids, size_t count) {
    if (store->last[side] && store->last_count[side] == count && !memcmp(store->last[side], ids, count * sizeof *ids))
        return store->last[side];
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
    int32_t *copy = store->blocks[store->block_count - 1] + store->used;
    memcpy(copy, ids, count * sizeof *ids);
    store->used += count;
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
    free(store->dialogue_pairs);
    free(store);
}

bool dataset_index_dialogues(cso_dataset *data) {
    struct cso_dataset_store *store = data->store;
    size_t dialogues = data->counts.dialogues;
    size_t *first = store->dialogue_first = cso_calloc(dialogues + 2, sizeof *first);
    size_t *pairs = store->dialogue_pairs = cso_calloc(data->count, sizeof *pairs);
    if (!first || !pairs)
        return false;
    for (size_t i = 0; i < data->count; i++) /* counting sort; first[d + 2] counts, first[d + 1] becomes where dialogue d writes */
        first[data->pairs[i].dialogue + 2]++;
    for (size_t d = 2; d <= dialogues; d++)
        first[d] += first[d - 1];
    for (size_t i = 0; i < data->count; i++)
        pairs[first[data->pairs[i].dialogue + 1]++] = i;
    return true;
}

void dataset_fingerprint(cso_dataset *data) {
    cso_digest hash;
    cso_digest_begin(&hash);
    for (size_t i = 0; i < data->count; i++) {
        const cso_pair *pair = &data->pairs[i];
        uint64_t numbers[4] = {pair->prompt_length, pair->length[0], pair->length[1], pair->dialogue};
        cso_digest_add(&hash, numbers, sizeof numbers);
        for (int j = 0; j < 2; j++)
            cso_digest_add(&hash, pair->ids[j], pair->length[j] * sizeof *pair->ids[j]);
    }
    cso_digest_hex(&hash, data->fingerprint);
}
