/* seen_table.h - which records came before, in memory that does not grow: a table of fixed size. */
#ifndef CSO_RECORDS_SEEN_TABLE_H
#define CSO_RECORDS_SEEN_TABLE_H

#include "data/hash.h"

/* 64 MiB, of which as much is used as there are records. A bucket of eight that is full loses one: with two million records that concerns
 * two in a hundred. Equal halves of two hashes are taken for equal records, for a million with a probability below 1e-7. */
typedef struct seen_table {
    struct seen_entry *entries;
    size_t lost; /* entries that gave way to others */
} seen_table;

typedef struct seen_place {
    uint32_t file, line;
} seen_place;

/* *found: the record came before, at *before. False: out of memory. */
bool seen_table_add(seen_table *table, text_hash hash, seen_place place, bool *found, seen_place *before);
void seen_table_free(seen_table *table);

#endif
