/* hash_set.c - see hash_set.h. */
#include "hash_set.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

enum { FIRST_CAPACITY = 64 };

static bool is_free(text_hash slot) {
    return !slot.low && !slot.high;
}

/* The slot that holds the hash, or the free one where it belongs. */
static size_t find_slot(const hash_set *set, text_hash hash) {
    size_t slot = (size_t)((uint128)hash.low * set->capacity >> 64);
    while (!is_free(set->slots[slot]) && (set->slots[slot].low != hash.low || set->slots[slot].high != hash.high))
        slot = slot + 1 < set->capacity ? slot + 1 : 0;
    return slot;
}

static bool grow(hash_set *set) {
    hash_set larger = {.capacity = set->capacity ? set->capacity + set->capacity / 2 : FIRST_CAPACITY, .count = set->count};
    larger.slots = cso_calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < set->capacity; i++)
        if (!is_free(set->slots[i]))
            larger.slots[find_slot(&larger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = larger;
    return true;
}

bool hash_set_add(hash_set *set, text_hash hash, bool *added) {
    if (is_free(hash))
        hash.low = 1; /* zero stands for a free slot */
    if (set->count + 1 > set->capacity / 5 * 4 && !grow(set))
        return false;
    size_t slot = find_slot(set, hash);
    *added = is_free(set->slots[slot]);
    set->slots[slot] = hash;
    set->count += *added;
    return true;
}

static int compare(const void *first, const void *second) {
    const text_hash *a = first, *b = second;
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Heap sort: qsort of the C library may allocate as much as it sorts. */
static void sift(text_hash *items, size_t root, size_t count) {
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(&items[child], &items[child + 1]) < 0)
            child++;
        if (compare(&items[root], &items[child]) >= 0)
            return;
        text_hash moved = items[root];
        items[root] = items[child];
        items[child] = moved;
    }
}

void hash_set_sort(hash_set *set) {
    size_t count = 0;
    for (size_t i = 0; i < set->capacity; i++)
        if (!is_free(set->slots[i]))
            set->slots[count++] = set->slots[i];
    for (size_t i = count / 2; i-- > 0;)
        sift(set->slots, i, count);
    for (size_t end = count; end > 1; end--) {
        text_hash moved = set->slots[0];
        set->slots[0] = set->slots[end - 1];
        set->slots[end - 1] = moved;
        sift(set->slots, 0, end - 1);
    }
}

void hash_set_free(hash_set *set) {
    free(set->slots);
    *set = (hash_set){0};
}
