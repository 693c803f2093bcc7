/* extract.c - see extract.h. */
#include "extract.h"

#include "base/memory.h"
#include "search_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct extractor {
    const cso_search_result *result;
    const cso_extract_options *options;
    const cso_extract_mark *marks;
    const uint8_t *is_end; /* (count) ends that count */
    cso_text *text;
    size_t records;
} extractor;

static bool is_search(const cso_search_result *result) {
    return !strcmp(result->method, cso_search_method_words[CSO_METHOD_MCTS]);
}

/* A baseline keeps the best of its dialogues: the first of equals. */
static size_t best_ended(const cso_search_tree *tree) {
    size_t best = CSO_NO_NODE;
    for (size_t i = 1; i < tree->count; i++)
        if (tree->nodes[i].ended && (best == CSO_NO_NODE || tree->nodes[i].q > tree->nodes[best].q))
            best = i;
    return best;
}

/* Whether the node ends a path that counts. best: best_ended of a baseline. */
static bool counts(const cso_search_result *result, const cso_extract_options *options, size_t node, size_t best) {
    const cso_search_node *n = &result->tree.nodes[node];
    if (!n->ended || n->q < options->ended_q_min)
        return false;
    return is_search(result) ? (double)n->n >= options->ended_n_min : node == best;
}

static bool is_negative(const cso_search_result *result, const cso_extract_options *options, size_t node) {
    const cso_search_node *n = &result->tree.nodes[node];
    bool published = !strcmp(result->mode, cso_search_mode_words[CSO_SEARCH_PUBLISHED]);
    return n->generated && n->q <= options->negative_q_max && (published || n->n >= 1 || n->filled);
}

void cso_extract_marks(const cso_search_result *result, const cso_extract_options *options, cso_extract_mark *marks) {
    const cso_search_tree *tree = &result->tree;
    size_t best = is_search(result) ? CSO_NO_NODE : best_ended(tree);
    memset(marks, 0, tree->count * sizeof *marks);
    for (size_t i = 1; i < tree->count; i++)
        for (size_t node = i; counts(result, options, i, best) && node != CSO_NO_NODE; node = tree->nodes[node].parent)
            marks[node] = CSO_MARK_PREFERRED;
    for (size_t i = 1; i < tree->count; i++) {
        size_t parent = tree->nodes[i].parent, sibling = tree->nodes[parent].first_child;
        while (sibling != CSO_NO_NODE && marks[sibling] != CSO_MARK_PREFERRED)
            sibling = tree->nodes[sibling].next_sibling;
        if (sibling != CSO_NO_NODE && marks[i] == CSO_MARK_NONE && is_negative(result, options, i))
            marks[i] = CSO_MARK_NEGATIVE;
    }
}

static void add_string(cso_text *text, const char *key, const char *value) {
    cso_text_format(text, "\"%s\":", key);
    cso_text_json_string(text, value, strlen(value));
}

/* "content", "strategy", "q", "n", "prior" of a reply. */
static void add_reply(const extractor *x, size_t node) {
    const cso_search_node *n = &x->result->tree.nodes[node];
    add_string(x->text, "content", n->reply);
    cso_text_format(x->text, ",");
    add_string(x->text, "strategy", x->result->tree.strategies[n->strategy]);
    cso_text_format(x->text, ",\"q\":");
    cso_text_json_number(x->text, n->q);
    cso_text_format(x->text, ",\"n\":%" PRIu64 ",\"prior\":", n->n);
    cso_text_json_number(x->text, n->prior);
}

/* The turns from the root's first answer to the node. */
static void add_turns(const extractor *x, size_t node) {
    const cso_search_tree *tree = &x->result->tree;
    const cso_search_node *n = &tree->nodes[node];
    bool first = true;
    if (n->parent != CSO_NO_NODE) {
        add_turns(x, n->parent);
        cso_text_format(x->text, ",{\"role\":\"assistant\",");
        add_reply(x, node);
        cso_text_format(x->text, ",\"negative\":[");
        for (size_t i = tree->nodes[n->parent].first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling) {
            if (x->marks[i] != CSO_MARK_NEGATIVE)
                continue;
            cso_text_format(x->text, first ? "{" : ",{");
            add_reply(x, i);
            cso_text_format(x->text, "}");
            first = false;
        }
        cso_text_format(x->text, "]}");
    }
    if (n->ended)
        return;
    cso_text_format(x->text, "%s{\"role\":\"user\",", n->parent == CSO_NO_NODE ? "" : ",");
    add_string(x->text, "content", n->answer);
    cso_text_format(x->text, "}");
}

static void add_record(extractor *x, size_t end) {
    cso_text_format(x->text, "{");
    add_string(x->text, "description", x->result->description);
    cso_text_format(x->text, ",");
    add_string(x->text, "scene", x->result->scene);
    cso_text_format(x->text, ",\"iter\":%zu,\"messages\":[", x->result->iterations);
    add_turns(x, end);
    cso_text_format(x->text, "],");
    add_string(x->text, "prompts", x->result->prompts);
    cso_text_format(x->text, "}\n");
    x->records++;
}

/* Depth first, children in their order. */
static void add_records_below(extractor *x, size_t node) {
    const cso_search_tree *tree = &x->result->tree;
    if (x->is_end[node])
        add_record(x, node);
    for (size_t i = tree->nodes[node].first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling)
        if (x->marks[i] == CSO_MARK_PREFERRED)
            add_records_below(x, i);
}

/* Siblings that are negatives of the preferred nodes, each pair once however many paths share it. */
static size_t count_pairs(const cso_search_tree *tree, const cso_extract_mark *marks) {
    size_t pairs = 0;
    for (size_t i = 1; i < tree->count; i++)
        for (size_t k = tree->nodes[tree->nodes[i].parent].first_child; marks[i] == CSO_MARK_PREFERRED && k != CSO_NO_NODE;
             k = tree->nodes[k].next_sibling)
            pairs += marks[k] == CSO_MARK_NEGATIVE;
    return pairs;
}

cso_status cso_extract_records(const cso_search_result *result, const cso_extract_options *options, cso_text *text, size_t *records,
                               size_t *pairs, cso_error *err) {
    const cso_search_tree *tree = &result->tree;
    cso_extract_mark *marks = cso_calloc(tree->count, sizeof *marks);
    uint8_t *is_end = cso_calloc(tree->count, 1);
    if (marks && is_end && tree->count) {
        size_t best = is_search(result) ? CSO_NO_NODE : best_ended(tree);
        extractor x = {result, options, marks, is_end, text, 0};
        cso_extract_marks(result, options, marks);
        for (size_t i = 1; i < tree->count; i++)
            is_end[i] = counts(result, options, i, best);
        add_records_below(&x, 0);
        *records += x.records;
        *pairs += count_pairs(tree, marks);
    }
    bool failed = !marks || !is_end || text->failed;
    free(marks);
    free(is_end);
    return failed ? cso_fail_memory(err, "records") : CSO_OK;
}
