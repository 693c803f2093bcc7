/* seen_table.c - see seen_table.h. */
#include "seen_table.h"

#include "base/memory.h"

#include <stdlib.h>

enum { WAYS = 8, BUCKETS = 1 << 19 };

typedef struct seen_entry {
    uint64_t tag; /* 0: free */
    seen_place place;
} seen_entry;

bool seen_table_add(seen_table *table, text_hash hash, seen_place place, bool *found, seen_place *before) {
    if (!table->entries)
        table->entries = cso_calloc((size_t)BUCKETS * WAYS, sizeof *table->entries);
    if (!table->entries)
        return false;
    uint64_t tag = hash.low ? hash.low : 1;
    seen_entry *bucket = table->entries + (hash.high & (BUCKETS - 1)) * WAYS;
    size_t way = 0;
    while (way < WAYS && bucket[way].tag && bucket[way].tag != tag)
        way++;
    *found = way < WAYS && bucket[way].tag;
    if (*found) {
        *before = bucket[way].place;
        return true;
    }
    if (way == WAYS) {
        table->lost++;
        way = (hash.high >> 32) % WAYS;
    }
    bucket[way] = (seen_entry){tag, place};
    return true;
}

void seen_table_free(seen_table *table) {
    free(table->entries);
    *table = (seen_table){0};
}
