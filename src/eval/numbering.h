/* numbering.h - numbers for texts: equal bytes get the same one, in the order in which they are first seen. */
#ifndef CSO_NUMBERING_H
#define CSO_NUMBERING_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; numbering_free. */
typedef struct numbering {
    uint32_t *slots; /* (n_slots, a power of 2) a number + 1; 0: free */
    size_t n_slots;
    uint64_t *hashes; /* (count) */
    size_t *ends;     /* (count) in bytes */
    char *bytes;
    size_t count; /* texts so far */
    size_t hash_capacity, end_capacity, byte_capacity;
} numbering;

/* Fails for lack of memory, and for more than 2^31 texts. */
cso_status numbering_of(numbering *numbers, const void *bytes, size_t size, uint32_t *number, cso_error *err);
void numbering_free(numbering *numbers);

/* Numbers in a row; zero-initialise, free(items). */
typedef struct number_list {
    uint32_t *items;
    size_t count, capacity;
} number_list;
cso_status number_list_add(number_list *list, uint32_t number, cso_error *err);

/* The number of `left` followed by `right`: n-grams from shorter ones. */
cso_status numbering_of_two(numbering *numbers, uint32_t left, uint32_t right, uint32_t *number, cso_error *err);

#endif
