/* name_index.h - a hash table from names to numbers, for files with many keys or tensors. */
#ifndef CSO_NAME_INDEX_H
#define CSO_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_name_index {
    struct cso_name_slot *slots; /* open addressing; a power of two of them */
    size_t slot_count, count;
} cso_name_index;

/* Adds a name, which is not copied. *known: the name was present, and nothing changed. False if out of memory. */
bool cso_name_index_add(cso_name_index *index, const char *name, size_t number, bool *known);
/* False: not found. */
bool cso_name_index_find(const cso_name_index *index, const char *name, size_t *number);
void cso_name_index_free(cso_name_index *index);

#endif
