/* bpe.h - byte-pair encoding: merging the symbols of one word by the ranks of their pairs.
 *
 * The rule (Sennrich et al. 2016, in the form of Hugging Face's tokenizers): while any two neighbours are a known pair, join
 * the pair with the lowest rank, of equal ones the leftmost. Symbols are token ids.
 */
#ifndef CSO_BPE_H
#define CSO_BPE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_merge {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* UINT32_MAX: an empty slot */
    int32_t merged;
} cso_merge;

typedef struct cso_merges {
    cso_merge *slots; /* open addressing */
    int shift;        /* 64 - log2(number of slots) */
    size_t mask, count;
    int32_t last; /* result of the last pair added */
} cso_merges;

/* Working memory of merging, for one call of encode; zero-initialise. */
typedef struct cso_bpe_scratch {
    struct cso_bpe_node *nodes;
    uint64_t *heap;
    size_t node_capacity, heap_capacity;
} cso_bpe_scratch;

/* Room for `count` merges; then add each. A pair given again takes the later rank, as in Hugging Face's. */
cso_status cso_merges_create(cso_merges *merges, size_t count, cso_error *err);
void cso_merges_add(cso_merges *merges, int32_t left, int32_t right, uint32_t rank, int32_t merged);
const cso_merge *cso_merges_find(const cso_merges *merges, int32_t left, int32_t right); /* NULL: none */
void cso_merges_free(cso_merges *merges);

/* Merges symbols[*count] in place. O(n log n). False if out of memory. */
bool cso_bpe_merge(const cso_merges *merges, int32_t *symbols, size_t *count, cso_bpe_scratch *scratch);

/* The same for long words whose pairs are not in a table: find decides whether two neighbours are a pair. Symbols may be
 * negative. */
typedef struct cso_bpe_neighbours {
    int32_t left_id, right_id;
    size_t left, right,
        after; /* indexes in symbols as they were at first; after: where what follows the two begins, or the count */
} cso_bpe_neighbours;
typedef bool (*cso_bpe_finder)(const void *context, const cso_bpe_neighbours *pair, uint32_t *rank, int32_t *merged);
bool cso_bpe_merge_by(cso_bpe_finder find, const void *context, int32_t *symbols, size_t *count, cso_bpe_scratch *scratch);

void cso_bpe_scratch_free(cso_bpe_scratch *scratch);

#endif
