/* tree_plan.c - cuts a batch into trees that fit in memory.
 *
 * Units are added in order while the tree stays small enough. The size of the growing tree is kept up to date with a
 * sorted list of what it lays out: a new string adds its length less the longest prefix it shares with either of
 * its neighbours in the list.
 */
#include "tree_keys.h"

#include <string.h>

typedef struct growing {
    const cso_tree_key **sorted; /* by group and laid-out tokens */
    size_t count;
    size_t n_tokens;
} growing;

static int compare_laid(const cso_tree_key *a, const cso_tree_key *b) {
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    size_t least = a->laid < b->laid ? a->laid : b->laid, n = cso_tree_key_common(a, b, least);
    if (n < least)
        return a->ids[n] < b->ids[n] ? -1 : 1;
    return a->laid < b->laid ? -1 : a->laid > b->laid;
}

static size_t common_laid(const cso_tree_key *a, const cso_tree_key *b) {
    return cso_tree_key_common(a, b, a->laid < b->laid ? a->laid : b->laid);
}

static void grow_tree(growing *tree, const cso_tree_key *key) {
    size_t low = 0, high = tree->count, shared = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_laid(tree->sorted[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        shared = common_laid(tree->sorted[low - 1], key);
    if (low < tree->count) {
        size_t after = common_laid(tree->sorted[low], key);
        shared = after > shared ? after : shared;
    }
    tree->n_tokens += key->laid - shared;
    memmove(tree->sorted + low + 1, tree->sorted + low, (tree->count - low) * sizeof *tree->sorted);
    tree->sorted[low] = key;
    tree->count++;
}

cso_status cso_tree_plan(const cso_tree_units *units, size_t max_tokens, cso_arena *arena, size_t **cuts, size_t *n_trees,
                         cso_error *err) {
    const size_t *unit_first = units->first, count = units->count;
    size_t first = count ? unit_first[0] : 0, n = count ? unit_first[count] - first : 0;
    cso_tree_key *keys = cso_arena_alloc(arena, n, sizeof *keys);
    growing tree = {.sorted = cso_arena_alloc(arena, n, sizeof *tree.sorted)};
    *n_trees = 0;
    *cuts = count < SIZE_MAX ? cso_arena_alloc(arena, count + 1, sizeof **cuts) : NULL;
    if (!keys || !tree.sorted || !*cuts)
        return cso_fail_memory(err, "the plan of trees");
    for (size_t i = 0; i < n; i++)
        CSO_TRY(cso_tree_key_make(&keys[i], &units->sequences[first + i], first + i, err));
    size_t in_tree = 0; /* units */
    for (size_t u = 0; u < count; u++) {
        for (size_t s = unit_first[u]; s < unit_first[u + 1]; s++)
            grow_tree(&tree, &keys[s - first]);
        if (tree.n_tokens > max_tokens && in_tree > 0) { /* too large: this unit begins the next tree */
            (*cuts)[++*n_trees] = u;
            tree.count = tree.n_tokens = in_tree = 0;
            for (size_t s = unit_first[u]; s < unit_first[u + 1]; s++)
                grow_tree(&tree, &keys[s - first]);
        }
        in_tree++;
    }
    if (count)
        (*cuts)[++*n_trees] = count;
    return CSO_OK;
}
