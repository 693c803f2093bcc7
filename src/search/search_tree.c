/* search_tree.c - see search_tree.h. */
#include "search_tree.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

cso_status cso_search_tree_begin(cso_search_tree *tree, const char *const *strategies, size_t count, cso_error *err) {
    *tree = (cso_search_tree){0};
    tree->strategies = cso_calloc(count, sizeof *tree->strategies);
    if (!tree->strategies)
        return cso_fail_memory(err, "a search tree");
    for (; tree->strategy_count < count; tree->strategy_count++)
        if (!(tree->strategies[tree->strategy_count] = cso_strdup(strategies[tree->strategy_count]))) {
            cso_search_tree_free(tree);
            return cso_fail_memory(err, "a search tree");
        }
    return CSO_OK;
}

void cso_search_tree_free(cso_search_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->nodes[i].reply);
        free(tree->nodes[i].answer);
    }
    for (size_t i = 0; i < tree->strategy_count; i++)
        free(tree->strategies[i]);
    free(tree->nodes);
    free(tree->strategies);
    *tree = (cso_search_tree){0};
}

static void link_to_parent(cso_search_tree *tree, size_t parent, size_t node) {
    cso_search_node *above = &tree->nodes[parent];
    if (above->last_child == CSO_NO_NODE)
        above->first_child = node;
    else
        tree->nodes[above->last_child].next_sibling = node;
    above->last_child = node;
}

cso_status cso_search_tree_add(cso_search_tree *tree, size_t parent, size_t strategy, double prior, size_t *node, cso_error *err) {
    if (!cso_grow(&tree->nodes, &tree->capacity, tree->count + 1, sizeof *tree->nodes))
        return cso_fail_memory(err, "a search tree");
    *node = tree->count++;
    tree->nodes[*node] = (cso_search_node){
        .parent = parent,
        .first_child = CSO_NO_NODE,
        .last_child = CSO_NO_NODE,
        .next_sibling = CSO_NO_NODE,
        .strategy = strategy,
        .prior = prior,
    };
    if (parent != CSO_NO_NODE)
        link_to_parent(tree, parent, *node);
    return CSO_OK;
}

cso_status cso_search_tree_set_texts(cso_search_tree *tree, size_t node, const char *reply, const char *answer, bool ended,
                                     cso_error *err) {
    cso_search_node *n = &tree->nodes[node];
    char *own_reply = cso_strdup(reply), *own_answer = cso_strdup(ended ? "" : answer);
    if (!own_reply || !own_answer) {
        free(own_reply);
        free(own_answer);
        return cso_fail_memory(err, "a search tree");
    }
    free(n->reply);
    free(n->answer);
    n->reply = own_reply;
    n->answer = own_answer;
    n->generated = true;
    n->ended = ended;
    return CSO_OK;
}

size_t cso_search_tree_depth(const cso_search_tree *tree, size_t node) {
    size_t depth = 0;
    for (; tree->nodes[node].parent != CSO_NO_NODE; node = tree->nodes[node].parent)
        depth++;
    return depth;
}

size_t cso_search_tree_ended(const cso_search_tree *tree) {
    size_t ended = 0;
    for (size_t i = 0; i < tree->count; i++)
        ended += tree->nodes[i].ended;
    return ended;
}

double cso_search_tree_puct(const cso_search_tree *tree, size_t child, double c) {
    const cso_search_node *n = &tree->nodes[child];
    return n->q + c * n->prior * sqrt((double)tree->nodes[n->parent].n) / (double)(1 + n->n);
}

static size_t best_puct(const cso_search_tree *tree, size_t node, double c) {
    size_t best = CSO_NO_NODE;
    double highest = 0;
    for (size_t child = tree->nodes[node].first_child; child != CSO_NO_NODE; child = tree->nodes[child].next_sibling) {
        double value = cso_search_tree_puct(tree, child, c);
        if (best == CSO_NO_NODE || value > highest) {
            best = child;
            highest = value;
        }
    }
    return best;
}

size_t cso_search_tree_select(const cso_search_tree *tree, double c) {
    size_t node = 0;
    for (size_t child; (child = best_puct(tree, node, c)) != CSO_NO_NODE;)
        node = child;
    return node;
}

size_t cso_search_tree_best_prior(const cso_search_tree *tree, size_t node) {
    size_t best = CSO_NO_NODE;
    for (size_t child = tree->nodes[node].first_child; child != CSO_NO_NODE; child = tree->nodes[child].next_sibling)
        if (best == CSO_NO_NODE || tree->nodes[child].prior > tree->nodes[best].prior)
            best = child;
    return best;
}

void cso_search_tree_back_up(cso_search_tree *tree, size_t node, double reward) {
    for (; node != CSO_NO_NODE; node = tree->nodes[node].parent) {
        cso_search_node *n = &tree->nodes[node];
        n->q = (n->q * (double)n->n + reward) / (double)(n->n + 1);
        n->n++;
    }
}
