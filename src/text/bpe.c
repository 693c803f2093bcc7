/* bpe.c - see bpe.h.
 *
 * Nearly all words are short; scanning all neighbours for the lowest rank is fastest for them. Long ones (a word may
 * be a megabyte of one letter) go through a heap of (rank, position) over a linked list, whose entries are checked
 * against the list when they come up instead of being removed when they become stale.
 */
#include "bpe.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_WORD = 32 };

#define NO_RANK UINT32_MAX
#define NO_NODE UINT32_MAX
#define JOINED  INT32_MIN

typedef struct cso_bpe_node {
    int32_t id;              /* JOINED: part of the previous node */
    uint32_t previous, next; /* NO_NODE at the ends */
} cso_bpe_node;

static uint64_t pair_of(int32_t left, int32_t right) {
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/* Fibonacci hashing: the high bits of a product with 2^64 divided by the golden ratio. */
static size_t slot_of(const cso_merges *merges, uint64_t pair) {
    pair ^= pair >> 32;
    return (size_t)((pair * 0x9E3779B97F4A7C15u) >> merges->shift);
}

cso_status cso_merges_create(cso_merges *merges, size_t count, cso_error *err) {
    int bits = 4;
    while (((size_t)1 << bits) < count * 2)
        bits++;
    size_t slots = (size_t)1 << bits;
    *merges = (cso_merges){.shift = 64 - bits, .mask = slots - 1};
    merges->slots = cso_calloc(slots, sizeof *merges->slots);
    if (!merges->slots)
        return cso_fail_memory(err, "the merges");
    for (size_t i = 0; i < slots; i++)
        merges->slots[i].rank = NO_RANK;
    return CSO_OK;
}

void cso_merges_add(cso_merges *merges, int32_t left, int32_t right, uint32_t rank, int32_t merged) {
    uint64_t pair = pair_of(left, right);
    size_t slot = slot_of(merges, pair);
    while (merges->slots[slot].rank != NO_RANK && merges->slots[slot].pair != pair)
        slot = (slot + 1) & merges->mask;
    merges->count += merges->slots[slot].rank == NO_RANK;
    merges->slots[slot] = (cso_merge){.pair = pair, .rank = rank, .merged = merged};
    merges->last = merged;
}

const cso_merge *cso_merges_find(const cso_merges *merges, int32_t left, int32_t right) {
    uint64_t pair = pair_of(left, right);
    for (size_t slot = slot_of(merges, pair); merges->slots[slot].rank != NO_RANK; slot = (slot + 1) & merges->mask)
        if (merges->slots[slot].pair == pair)
            return &merges->slots[slot];
    return NULL;
}

void cso_merges_free(cso_merges *merges) {
    free(merges->slots);
    *merges = (cso_merges){0};
}

void cso_bpe_scratch_free(cso_bpe_scratch *scratch) {
    free(scratch->nodes);
    free(scratch->heap);
    *scratch = (cso_bpe_scratch){0};
}

static size_t merge_short(const cso_merges *merges, int32_t *symbols, size_t count) {
    const cso_merge *pairs[SHORT_WORD]; /* pairs[i]: symbols i and i + 1 */
    for (size_t i = 0; i + 1 < count; i++)
        pairs[i] = cso_merges_find(merges, symbols[i], symbols[i + 1]);
    while (count > 1) {
        size_t best = 0;
        uint32_t rank = NO_RANK;
        for (size_t i = 0; i + 1 < count; i++)
            if (pairs[i] && pairs[i]->rank < rank) {
                rank = pairs[i]->rank;
                best = i;
            }
        if (rank == NO_RANK)
            break;
        symbols[best] = pairs[best]->merged;
        count--;
        for (size_t i = best + 1; i < count; i++) {
            symbols[i] = symbols[i + 1];
            pairs[i - 1] = pairs[i];
        }
        if (best)
            pairs[best - 1] = cso_merges_find(merges, symbols[best - 1], symbols[best]);
        if (best + 1 < count)
            pairs[best] = cso_merges_find(merges, symbols[best], symbols[best + 1]);
    }
    return count;
}

/* The heap: keys are rank << 32 | position, so that the lowest rank and then the leftmost position comes first. */
static void sift_down(uint64_t *heap, size_t count, size_t at) {
    uint64_t key = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[at] = heap[child];
    }
    heap[at] = key;
}

static void sift_up(uint64_t *heap, size_t at) {
    uint64_t key = heap[at];
    for (size_t parent; at && heap[parent = (at - 1) / 2] > key; at = parent)
        heap[at] = heap[parent];
    heap[at] = key;
}

/* Whether node `at` and the one after it are a pair. */
static bool pair_at(cso_bpe_finder find, const void *context, const cso_bpe_node *nodes, size_t count, uint32_t at, uint32_t *rank,
                    int32_t *merged) {
    if (at == NO_NODE || nodes[at].id == JOINED || nodes[at].next == NO_NODE)
        return false;
    uint32_t right = nodes[at].next, after = nodes[right].next;
    cso_bpe_neighbours pair = {nodes[at].id, nodes[right].id, at, right, after == NO_NODE ? count : after};
    return find(context, &pair, rank, merged);
}

bool cso_bpe_merge_by(cso_bpe_finder find, const void *context, int32_t *symbols, size_t *count, cso_bpe_scratch *scratch) {
    size_t n = *count, heap_count = 0;
    uint32_t rank;
    int32_t merged;
    if (n < 2)
        return true;
    /* Each merge takes a node away and makes at most two new pairs, so 3 n entries always suffice. */
    if (n >= NO_NODE || !cso_grow(&scratch->nodes, &scratch->node_capacity, n, sizeof *scratch->nodes) ||
        !cso_grow(&scratch->heap, &scratch->heap_capacity, 3 * n, sizeof *scratch->heap))
        return false;
    cso_bpe_node *nodes = scratch->nodes;
    uint64_t *heap = scratch->heap;
    for (size_t i = 0; i < n; i++)
        nodes[i] = (cso_bpe_node){
            .id = symbols[i], .previous = i ? (uint32_t)i - 1 : NO_NODE, .next = i + 1 < n ? (uint32_t)i + 1 : NO_NODE};
    for (size_t i = 0; i + 1 < n; i++)
        if (pair_at(find, context, nodes, n, (uint32_t)i, &rank, &merged))
            heap[heap_count++] = (uint64_t)rank << 32 | i;
    for (size_t i = heap_count / 2; i-- > 0;)
        sift_down(heap, heap_count, i);
    while (heap_count) {
        uint64_t key = heap[0];
        heap[0] = heap[--heap_count];
        if (heap_count)
            sift_down(heap, heap_count, 0);
        uint32_t at = (uint32_t)key;
        if (!pair_at(find, context, nodes, n, at, &rank, &merged) || rank != key >> 32)
            continue; /* stale: merged meanwhile */
        uint32_t right = nodes[at].next;
        nodes[at].id = merged;
        nodes[at].next = nodes[right].next;
        nodes[right].id = JOINED;
        if (nodes[at].next != NO_NODE)
            nodes[nodes[at].next].previous = at;
        uint32_t changed[2] = {nodes[at].previous, at};
        for (int i = 0; i < 2; i++)
            if (pair_at(find, context, nodes, n, changed[i], &rank, &merged)) {
                heap[heap_count] = (uint64_t)rank << 32 | changed[i];
                sift_up(heap, heap_count++);
            }
    }
    size_t kept = 0;
    for (uint32_t at = 0; at != NO_NODE; at = nodes[at].next)
        symbols[kept++] = nodes[at].id;
    *count = kept;
    return true;
}

static bool find_in_table(const void *context, const cso_bpe_neighbours *pair, uint32_t *rank, int32_t *merged) {
    const cso_merge *merge = cso_merges_find(context, pair->left_id, pair->right_id);
    if (!merge)
        return false;
    *rank = merge->rank;
    *merged = merge->merged;
    return true;
}

bool cso_bpe_merge(const cso_merges *merges, int32_t *symbols, size_t *count, cso_bpe_scratch *scratch) {
    if (*count < 2 || !merges->count)
        return true;
    if (*count <= SHORT_WORD) {
        *count = merge_short(merges, symbols, *count);
        return true;
    }
    return cso_bpe_merge_by(find_in_table, merges, symbols, count, scratch);
}
