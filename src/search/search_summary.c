/* search_summary.c - a search in a few numbers. */
#include "searches.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cso_search_summary_free(cso_search_summary *summary) {
    free(summary->message);
    free(summary->text);
    *summary = (cso_search_summary){0};
}

/* How good a node is as the end of the best path: one that counts, one that ended, one where a dialogue was cut; 0: none of these. */
static int rank_of(const cso_search_tree *tree, const cso_extract_mark *marks, size_t node) {
    const cso_search_node *n = &tree->nodes[node];
    if (!n->n || n->first_child != CSO_NO_NODE || n->parent == CSO_NO_NODE)
        return 0;
    if (n->ended)
        return marks[node] == CSO_MARK_PREFERRED ? 3 : 2;
    return 1;
}

/* The end of the best path: the highest q of the best rank, the first of equals. */
static size_t best_end(const cso_search_tree *tree, const cso_extract_mark *marks) {
    size_t best = CSO_NO_NODE;
    int highest = 0;
    for (size_t i = 0; i < tree->count; i++) {
        int rank = rank_of(tree, marks, i);
        if (rank > highest || (rank && rank == highest && tree->nodes[i].q > tree->nodes[best].q)) {
            best = i;
            highest = rank;
        }
    }
    return best;
}

static void describe_path(const cso_search_tree *tree, size_t end, cso_search_summary *summary) {
    bool used[CSO_MAX_STRATEGIES] = {false};
    summary->best_q = tree->nodes[end].q;
    for (size_t i = end; tree->nodes[i].parent != CSO_NO_NODE; i = tree->nodes[i].parent, summary->turns++) {
        size_t strategy = tree->nodes[i].strategy;
        if (strategy < CSO_MAX_STRATEGIES && !used[strategy]) {
            used[strategy] = true;
            summary->strategies++;
        }
    }
}

static void describe_tree(const cso_search_result *result, const cso_extract_mark *marks, cso_search_summary *summary) {
    const cso_search_tree *tree = &result->tree;
    size_t end = best_end(tree, marks);
    summary->nodes = tree->count;
    summary->ended = cso_search_tree_ended(tree);
    for (size_t i = 0; i < tree->count; i++) {
        size_t depth = tree->nodes[i].generated ? cso_search_tree_depth(tree, i) : 0;
        if (depth > summary->depth)
            summary->depth = depth;
    }
    if (end != CSO_NO_NODE)
        describe_path(tree, end, summary);
}

cso_status cso_search_summarize(const cso_search_result *result, const cso_extract_options *options, cso_search_summary *summary,
                                cso_error *err) {
    cso_extract_mark *marks = cso_calloc(result->tree.count, sizeof *marks);
    cso_text text = {0};
    if (!marks)
        return cso_fail_memory(err, "a search's summary");
    *summary = (cso_search_summary){.begun = true, .state = result->state, .iterations = result->iterations, .best_q = NAN};
    memcpy(summary->calls, result->calls, sizeof summary->calls);
    cso_extract_marks(result, options, marks);
    describe_tree(result, marks, summary);
    free(marks);
    cso_status status = cso_extract_records(result, options, &text, &summary->records, &summary->pairs, err);
    summary->text = text.data;
    summary->text_size = text.size;
    return status;
}
