/* search_tree.h - the tree of a search: nodes with strategy, prior, texts, visits and value.
 *
 * Source: Chain-of-Strategy Optimization (Zhao et al. 2025, arXiv 2503.05362), section 3, and its published code; docs/search.md
 * has the procedure.
 */
#ifndef CSO_SEARCH_TREE_H
#define CSO_SEARCH_TREE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSO_NO_NODE SIZE_MAX

typedef struct cso_search_node {
    size_t parent;                                /* CSO_NO_NODE: the root */
    size_t first_child, last_child, next_sibling; /* CSO_NO_NODE: none; children in the order of their scores' answer */
    size_t strategy;                              /* in the tree's strategies; CSO_NO_NODE: the root */
    double prior;
    double q;      /* mean of the rewards that passed */
    uint64_t n;    /* visits */
    uint64_t seed; /* how many of them were there at the start (golden nodes: 100) */
    bool generated, ended;
    bool simulated; /* it was simulated when its parent was expanded */
    bool filled;    /* it was judged after the search, as a negative: q is a reward, without visits */
    char *reply;    /* the supporter's; of the root the greeting; NULL: not generated */
    char *answer;   /* the seeker's; "" of an ended node; of the root the opening */
} cso_search_node;

typedef struct cso_search_tree {
    cso_search_node *nodes; /* (count) in the order they were made; [0] is the root. Adding one may move them */
    size_t count, capacity;
    char **strategies; /* (strategy_count) names */
    size_t strategy_count;
} cso_search_tree;

/* Of an empty tree: the strategies' names are copied. */
cso_status cso_search_tree_begin(cso_search_tree *tree, const char *const *strategies, size_t count, cso_error *err);
void cso_search_tree_free(cso_search_tree *tree); /* takes a zeroed one too */
/* A node at the end of its parent's children (CSO_NO_NODE: the root), without texts. */
cso_status cso_search_tree_add(cso_search_tree *tree, size_t parent, size_t strategy, double prior, size_t *node, cso_error *err);
/* The texts are copied; a node that has some gets these instead. An ended one has the answer "". */
cso_status cso_search_tree_set_texts(cso_search_tree *tree, size_t node, const char *reply, const char *answer, bool ended,
                                     cso_error *err);

size_t cso_search_tree_depth(const cso_search_tree *tree, size_t node); /* of the root 0 */
size_t cso_search_tree_ended(const cso_search_tree *tree);              /* how many nodes have ended */

/* PUCT of a child: q + c * prior * sqrt(n of the parent) / (1 + n). */
double cso_search_tree_puct(const cso_search_tree *tree, size_t child, double c);
/* From the root down, always the child of highest PUCT (the first of equals), to a node without children. */
size_t cso_search_tree_select(const cso_search_tree *tree, double c);
/* The child of highest prior, the first of equals; CSO_NO_NODE: it has none. */
size_t cso_search_tree_best_prior(const cso_search_tree *tree, size_t node);
/* From a node to the root: q = (q n + reward) / (n + 1), n = n + 1. */
void cso_search_tree_back_up(cso_search_tree *tree, size_t node, double reward);

#endif
