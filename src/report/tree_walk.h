/* tree_walk.h - what the views of a tree share: an order of its nodes, names, and totals. */
#ifndef CSO_TREE_WALK_H
#define CSO_TREE_WALK_H

#include "tree_page.h"

/* The next node depth first, children in their order; CSO_NO_NODE: it was the last. Without lazy, nodes that were not generated are
 * left out (they have no children). Begin at node 0. */
size_t tree_walk_next(const cso_search_tree *tree, size_t node, bool lazy);
/* The first child, or the next sibling, that such a walk visits; CSO_NO_NODE: none. */
size_t tree_walk_child(const cso_search_tree *tree, size_t node, bool lazy);
size_t tree_walk_sibling(const cso_search_tree *tree, size_t node, bool lazy);

/* The strategy's name; of the root "start". */
const char *tree_walk_strategy(const cso_search_tree *tree, size_t node);
/* "complete", "failed, resumable", "stopped, resumable" */
const char *tree_walk_state(cso_search_state state);
size_t tree_walk_calls(const cso_search_result *result); /* of all roles */

typedef struct tree_walk_totals {
    size_t generated, ended, counted; /* counted: ends that count */
    double best_q;                    /* of the ends that count; NAN: there is none */
} tree_walk_totals;
tree_walk_totals tree_walk_count(const cso_search_tree *tree, const cso_extract_mark *marks);

#endif
