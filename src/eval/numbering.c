/* numbering.c - a hash table with open addressing. */
#include "numbering.h"

#include "base/digest.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static const size_t MOST = (size_t)1 << 31;

static size_t begin_of(const numbering *n, size_t number) {
    return number ? n->ends[number - 1] : 0;
}

/* The slot of the bytes, or the free one where they belong. */
static size_t find_slot(const numbering *n, uint64_t hash, const void *bytes, size_t size) {
    size_t slot = (size_t)hash & (n->n_slots - 1);
    for (; n->slots[slot]; slot = (slot + 1) & (n->n_slots - 1)) {
        size_t number = n->slots[slot] - 1, first = begin_of(n, number);
        if (n->hashes[number] == hash && n->ends[number] - first == size && !memcmp(n->bytes + first, bytes, size))
            break;
    }
    return slot;
}

static cso_status grow_slots(numbering *n, cso_error *err) {
    size_t n_slots = n->n_slots ? 2 * n->n_slots : 1024;
    uint32_t *slots = cso_calloc(n_slots, sizeof *slots);
    if (!slots)
        return cso_fail_memory(err, "words");
    free(n->slots);
    n->slots = slots;
    n->n_slots = n_slots;
    for (size_t i = 0; i < n->count; i++) {
        size_t slot = (size_t)n->hashes[i] & (n_slots - 1);
        while (slots[slot])
            slot = (slot + 1) & (n_slots - 1);
        slots[slot] = (uint32_t)i + 1;
    }
    return CSO_OK;
}

cso_status numbering_of(numbering *n, const void *bytes, size_t size, uint32_t *number, cso_error *err) {
    uint64_t hash = XXH3_64bits(bytes, size);
    if (2 * (n->count + 1) > n->n_slots)
        CSO_TRY(grow_slots(n, err));
    size_t slot = find_slot(n, hash, bytes, size), end = begin_of(n, n->count);
    if (n->slots[slot]) {
        *number = n->slots[slot] - 1;
        return CSO_OK;
    }
    if (n->count >= MOST || !cso_grow(&n->hashes, &n->hash_capacity, n->count + 1, sizeof *n->hashes) ||
        !cso_grow(&n->ends, &n->end_capacity, n->count + 1, sizeof *n->ends) ||
        !cso_grow(&n->bytes, &n->byte_capacity, end + size + 1, 1))
        return cso_fail_memory(err, "words");
    memcpy(n->bytes + end, bytes, size);
    n->hashes[n->count] = hash;
    n->ends[n->count] = end + size;
    n->slots[slot] = (uint32_t)++n->count;
    *number = (uint32_t)n->count - 1;
    return CSO_OK;
}

cso_status numbering_of_two(numbering *numbers, uint32_t left, uint32_t right, uint32_t *number, cso_error *err) {
    const uint32_t both[2] = {left, right};
    return numbering_of(numbers, both, sizeof both, number, err);
}

void numbering_free(numbering *n) {
    free(n->slots);
    free(n->hashes);
    free(n->ends);
    free(n->bytes);
    *n = (numbering){0};
}

cso_status number_list_add(number_list *list, uint32_t number, cso_error *err) {
    if (!cso_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return cso_fail_memory(err, "words");
    list->items[list->count++] = number;
    return CSO_OK;
}
