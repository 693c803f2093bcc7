/* hash_set.h - a set of 128-bit hashes that takes at most 55 bytes an item, also while it grows. */
#ifndef CSO_RECORDS_HASH_SET_H
#define CSO_RECORDS_HASH_SET_H

#include "data/hash.h"

/* Open addressing with linear probing, at most four fifths full; grown by half. Zero-initialise. */
typedef struct hash_set {
    text_hash *slots; /* (capacity); all zero: free */
    size_t count, capacity;
} hash_set;

/* *added: it was not there before. False: out of memory. */
bool hash_set_add(hash_set *set, text_hash hash, bool *added);
/* Puts the items side by side at the beginning of slots, sorted; nothing can be added afterwards. */
void hash_set_sort(hash_set *set);
void hash_set_free(hash_set *set);

#endif
