/* sort.c - see sort.h. Runs of doubling length are merged from one array into the other. */
#include "sort.h"

#include <stdbool.h>
#include <string.h>

typedef struct merge {
    size_t size;
    int (*compare)(const void *, const void *);
} merge;

/* Merges from[0 .. middle) and from[middle .. count), both sorted. */
static void merge_runs(const merge *m, const char *from, size_t middle, size_t count, char *to) {
    for (size_t left = 0, right = middle; left < middle || right < count; to += m->size) {
        bool first = right == count || (left < middle && m->compare(from + left * m->size, from + right * m->size) <= 0);
        memcpy(to, from + (first ? left++ : right++) * m->size, m->size);
    }
}

void cso_sort(void *items, void *room, size_t count, size_t size, int (*compare)(const void *left, const void *right)) {
    const merge m = {size, compare};
    char *from = items, *to = room;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = count - at;
            merge_runs(&m, from + at * size, width < left ? width : left, 2 * width < left ? 2 * width : left, to + at * size);
        }
        char *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != items)
        memcpy(items, from, count * size);
}
