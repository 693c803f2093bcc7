/* sort.h - sorting without allocating. */
#ifndef CSO_SORT_H
#define CSO_SORT_H

#include <stddef.h>

/* A stable merge sort of `count` items of `size` bytes. room: count size bytes of working memory. qsort would call malloc for
 * more than a few items. */
void cso_sort(void *items, void *room, size_t count, size_t size, int (*compare)(const void *left, const void *right));

#endif
