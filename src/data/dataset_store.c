/* dataset_store.c - token ids in blocks, and the fingerprint over them. */
#include "dataset_store.h"

#include "base/memory.h"
#include "hash.h"

#include <math.h>
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
    if (side < 2 && store->last[side] && store->last_count[side] == count && !memcmp(store->last[side], ids, count * sizeof *ids))
        return store->last[side];
    int32_t *copy = take(store, count);
    if (!copy)
        return NULL;
    memcpy(copy, ids, count * sizeof *ids);
    if (side < 2) {
        store->last[side] = copy;
        store->last_count[side] = count;
    }
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

/* What a search knew of the replies of an example, and ranks that are not those of a pair. */
static void hash_replies(cso_digest *hash, const cso_example_sequence *sequences, size_t n) {
    bool known = false, ranked = n > 2;
    for (size_t k = 0; k < n; k++) {
        known = known || !isnan(sequences[k].q) || !isnan(sequences[k].n);
        ranked = ranked || sequences[k].rank != k;
    }
    for (size_t k = 0; k < n && ranked; k++)
        hash_number(hash, sequences[k].rank);
    for (size_t k = 0; k < n && known; k++) {
        const double values[2] = {sequences[k].q, sequences[k].n};
        for (int i = 0; i < 2; i++) {
            double value = isnan(values[i]) ? 0 : values[i] + 0.0; /* one kind of zero */
            hash_number(hash, !isnan(values[i]));
            cso_digest_add(hash, &value, sizeof value);
        }
    }
}

void dataset_fingerprint(cso_dataset *data, cso_example_kind kind) {
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
        hash_replies(&hash, sequences, example->n);
        if (kind == CSO_EXAMPLE_LABELED)
            hash_number(&hash, example->label);
    }
    cso_digest_hex(&hash, data->fingerprint);
}
