/* dataset_store.h - where a data set's token ids lie. */
#ifndef CSO_DATA_DATASET_STORE_H
#define CSO_DATA_DATASET_STORE_H

#include "dataset.h"

#include <stdbool.h>

/* Blocks of ids that never move. last: what was stored last as an example's first sequence, and as its second: the pairs of one
 * turn have the same chosen sequence, which then is stored once. */
struct cso_dataset_store {
    int32_t **blocks;
    size_t block_count, block_capacity;
    size_t used, room; /* ids of the last block; marks lie in blocks as well, four to an id */
    const int32_t *last[2];
    size_t last_count[2];
    size_t *dialogue_first;    /* (dialogues + 1): dialogue d has dialogue_examples[dialogue_first[d] .. dialogue_first[d + 1]) */
    size_t *dialogue_examples; /* (examples), those of a dialogue in their own order */
};

/* A copy of ids that lives as long as the store; NULL: out of memory. */
const int32_t *dataset_store_ids(struct cso_dataset_store *store, size_t side, const int32_t *ids, size_t count);
/* The same for the marks of counted tokens. */
const uint8_t *dataset_store_scored(struct cso_dataset_store *store, const uint8_t *scored, size_t count);
void dataset_store_free(struct cso_dataset_store *store);

/* Fills dialogue_first and dialogue_pairs. False: out of memory. */
bool dataset_index_dialogues(cso_dataset *data);
/* Fills data->fingerprint. Labels, ranks, q and n go in where there are any, so that other data have the fingerprint they always had;
 * where strategies lie does not: that is a function of what is in it. */
void dataset_fingerprint(cso_dataset *data, cso_example_kind kind);

#endif
