/* did_you_mean.c - the closest of some names to a misspelt one. */
#include "did_you_mean.h"

#include <string.h>

enum { MAX_WORD = 64 };

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance in its "optimal string alignment" form: insertions, deletions, replacements and swaps of
 * neighbours count one each. Three rows of the table are enough: row i needs rows i-1 and, for swaps, i-2. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][MAX_WORD + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = min_size(best, above[j] + 1);
            best = min_size(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min_size(best, two_above[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *cso_did_you_mean(const char *word, const char *const *names, size_t count) {
    size_t length = strlen(word);
    if (!length || length > MAX_WORD)
        return NULL;
    const char *closest = NULL;
    size_t closest_distance = 1 + length / 4; /* one error in short words, about one in four letters in longer ones */
    for (size_t i = 0; i < count; i++) {
        size_t name_length = strlen(names[i]);
        if (name_length > MAX_WORD)
            continue;
        size_t distance = edit_distance(word, length, names[i], name_length);
        if (distance < name_length && distance < closest_distance + !closest) {
            closest = names[i];
            closest_distance = distance;
        }
    }
    return closest;
}
