/* tree_walk.c - see tree_walk.h. */
#include "tree_walk.h"

#include <math.h>

/* The node itself or the next sibling that is visited. */
static size_t visited(const cso_search_tree *tree, size_t node, bool lazy) {
    while (node != CSO_NO_NODE && !lazy && !tree->nodes[node].generated)
        node = tree->nodes[node].next_sibling;
    return node;
}

size_t tree_walk_child(const cso_search_tree *tree, size_t node, bool lazy) {
    return visited(tree, tree->nodes[node].first_child, lazy);
}

size_t tree_walk_sibling(const cso_search_tree *tree, size_t node, bool lazy) {
    return visited(tree, tree->nodes[node].next_sibling, lazy);
}

size_t tree_walk_next(const cso_search_tree *tree, size_t node, bool lazy) {
    size_t next = tree_walk_child(tree, node, lazy);
    while (next == CSO_NO_NODE && node != CSO_NO_NODE) {
        next = tree_walk_sibling(tree, node, lazy);
        node = tree->nodes[node].parent;
    }
    return next;
}

const char *tree_walk_strategy(const cso_search_tree *tree, size_t node) {
    size_t strategy = tree->nodes[node].strategy;
    return strategy == CSO_NO_NODE ? "start" : tree->strategies[strategy];
}

const char *tree_walk_state(cso_search_state state) {
    switch (state) {
    case CSO_SEARCH_FAILED:
        return "failed, resumable";
    case CSO_SEARCH_STOPPED:
        return "stopped, resumable";
    case CSO_SEARCH_COMPLETE:
        break;
    }
    return "complete";
}

size_t tree_walk_calls(const cso_search_result *result) {
    size_t calls = 0;
    for (size_t role = 0; role < CSO_ROLES; role++)
        calls += result->calls[role];
    return calls;
}

tree_walk_totals tree_walk_count(const cso_search_tree *tree, const cso_extract_mark *marks) {
    tree_walk_totals totals = {.best_q = NAN};
    for (size_t i = 0; i < tree->count; i++) {
        const cso_search_node *node = &tree->nodes[i];
        totals.generated += node->generated;
        totals.ended += node->ended;
        if (node->ended && marks[i] == CSO_MARK_PREFERRED) {
            totals.counted++;
            totals.best_q = fmax(totals.best_q, node->q); /* of a NAN and a number, the number */
        }
    }
    return totals;
}
