/* name_index.c - linear probing over XXH3 hashes, at most half full. */
#include "name_index.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct cso_name_slot {
    const char *name; /* NULL: free */
    uint64_t hash;
    size_t number;
};

/* The slot of `name`, or the free slot for it. */
static struct cso_name_slot *slot_of(const cso_name_index *index, const char *name, uint64_t hash) {
    size_t mask = index->slot_count - 1, at = (size_t)hash & mask;
    while (index->slots[at].name && (index->slots[at].hash != hash || strcmp(index->slots[at].name, name)))
        at = (at + 1) & mask;
    return &index->slots[at];
}

static bool enlarge(cso_name_index *index) {
    cso_name_index larger = {.slot_count = index->slot_count ? index->slot_count * 2 : 64, .count = index->count};
    larger.slots = cso_calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < index->slot_count; i++)
        if (index->slots[i].name)
            *slot_of(&larger, index->slots[i].name, index->slots[i].hash) = index->slots[i];
    free(index->slots);
    *index = larger;
    return true;
}

bool cso_name_index_add(cso_name_index *index, const char *name, size_t number, bool *known) {
    if (2 * (index->count + 1) > index->slot_count && !enlarge(index))
        return false;
    uint64_t hash = XXH3_64bits(name, strlen(name));
    struct cso_name_slot *slot = slot_of(index, name, hash);
    *known = slot->name != NULL;
    if (*known)
        return true;
    *slot = (struct cso_name_slot){name, hash, number};
    index->count++;
    return true;
}

bool cso_name_index_find(const cso_name_index *index, const char *name, size_t *number) {
    if (!index->count)
        return false;
    const struct cso_name_slot *slot = slot_of(index, name, XXH3_64bits(name, strlen(name)));
    if (slot->name)
        *number = slot->number;
    return slot->name != NULL;
}

void cso_name_index_free(cso_name_index *index) {
    free(index->slots);
    *index = (cso_name_index){0};
}
