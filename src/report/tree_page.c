/* tree_page.c - the page of a tree: its data as JSON, and the elements that tree_page.js and tree_chart.js fill. */
#include "page_parts.h"
#include "strategy_colour.h"
#include "tree_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const page_asset *const CSS[] = {&asset_page_base_css, &asset_tree_page_css, NULL};
static const page_asset *const SCRIPTS[] = {&asset_tree_page_js, &asset_tree_chart_js, NULL};

static void add_string(cso_text *json, const char *key, const char *value) {
    cso_text_format(json, ",\"%s\":", key);
    cso_text_json_string(json, value ? value : "", value ? strlen(value) : 0);
}

static void add_number(cso_text *json, const char *key, double value) {
    cso_text_format(json, ",\"%s\":", key);
    cso_text_json_number(json, value);
}

static void add_index(cso_text *json, const char *key, size_t value) {
    if (value == CSO_NO_NODE)
        cso_text_format(json, ",\"%s\":null", key);
    else
        cso_text_format(json, ",\"%s\":%zu", key, value);
}

static void add_node(cso_text *json, const cso_search_node *node, cso_extract_mark mark) {
    static const char *const MARKS[] = {
        [CSO_MARK_NONE] = "none", [CSO_MARK_PREFERRED] = "preferred", [CSO_MARK_NEGATIVE] = "negative"};
    cso_text_format(json, "{\"mark\":\"%s\"", MARKS[mark]);
    add_index(json, "parent", node->parent);
    add_index(json, "strategy", node->strategy);
    add_number(json, "prior", node->prior);
    add_number(json, "q", node->q);
    cso_text_format(json, ",\"n\":%llu,\"seed\":%llu", (unsigned long long)node->n, (unsigned long long)node->seed);
    cso_text_format(json, ",\"generated\":%s,\"ended\":%s,\"simulated\":%s", node->generated ? "true" : "false",
                    node->ended ? "true" : "false", node->simulated ? "true" : "false");
    if (node->generated) {
        add_string(json, "reply", node->reply);
        add_string(json, "answer", node->answer);
    }
    cso_text_add(json, "}", 1);
}

static void add_result(cso_text *json, const cso_search_result *result, const cso_extract_mark *marks) {
    const cso_search_tree *tree = &result->tree;
    tree_walk_totals totals = tree_walk_count(tree, marks);
    cso_text_format(json, "{\"index\":%zu,\"iterations\":%zu", result->index, result->iterations);
    add_string(json, "state", tree_walk_state(result->state));
    add_string(json, "method", result->method);
    add_string(json, "mode", result->mode);
    add_string(json, "scene", result->scene);
    add_string(json, "description", result->description);
    add_string(json, "prompts", result->prompts);
    cso_text_format(json, ",\"generated\":%zu,\"ended\":%zu,\"counted\":%zu", totals.generated, totals.ended, totals.counted);
    add_number(json, "best", totals.best_q);
    cso_text_format(json, ",\"calls\":{\"strategy\":%zu,\"supporter\":%zu,\"seeker\":%zu,\"judge\":%zu}",
                    result->calls[CSO_ROLE_STRATEGY], result->calls[CSO_ROLE_SUPPORTER], result->calls[CSO_ROLE_SEEKER],
                    result->calls[CSO_ROLE_JUDGE]);
    cso_text_format(json, ",\n\"strategies\":[");
    for (size_t i = 0; i < tree->strategy_count; i++) {
        strategy_colour colour = strategy_colour_of(i);
        cso_text_format(json, "%s{\"fill\":\"%s\",\"ink\":\"%s\"", i ? "," : "", colour.fill, colour.ink);
        add_string(json, "name", tree->strategies[i]);
        cso_text_add(json, "}", 1);
    }
    cso_text_format(json, "],\n\"nodes\":[");
    for (size_t i = 0; i < tree->count && !json->failed; i++) {
        cso_text_add(json, ",\n", i ? 2 : 0);
        add_node(json, &tree->nodes[i], marks[i]);
    }
    cso_text_format(json, "]}");
}

/* What does not depend on the tree. */
static const char BODY[] =
    "<header id=\"head\"></header>\n"
    "<nav id=\"bar\">\n"
    "<div role=\"tablist\" aria-label=\"Views\">"
    "<button role=\"tab\" id=\"tab-tree\" aria-controls=\"view-tree\" aria-selected=\"true\">Tree</button>"
    "<button role=\"tab\" id=\"tab-paths\" aria-controls=\"view-paths\" aria-selected=\"false\" "
    "tabindex=\"-1\">Paths</button></div>\n"
    "<label id=\"lazy-label\"><input type=\"checkbox\" id=\"lazy\" checked> <span>not generated</span></label>\n"
    "</nav>\n"
    "<main>\n"
    "<section id=\"view-tree\" role=\"tabpanel\" aria-labelledby=\"tab-tree\">\n"
    "<div id=\"canvas\"><svg id=\"chart\" role=\"tree\" aria-label=\"Search tree\"></svg>\n"
    "<div id=\"zoom\" role=\"group\" aria-label=\"Zoom\">"
    "<button id=\"zoom-in\" aria-label=\"Zoom in\" title=\"Zoom in (+)\">+</button>"
    "<button id=\"zoom-out\" aria-label=\"Zoom out\" title=\"Zoom out (-)\">\xE2\x88\x92</button>"
    "<button id=\"zoom-fit\" title=\"Show the whole tree (0)\">Fit</button></div></div>\n"
    "<details id=\"legend\"><summary>Legend</summary><ul></ul></details></section>\n"
    "<section id=\"view-paths\" role=\"tabpanel\" aria-labelledby=\"tab-paths\" hidden></section>\n"
    "<aside id=\"panel\" aria-label=\"Node\" hidden></aside>\n"
    "</main>\n"
    "<noscript><p>This page draws the tree with JavaScript, which is switched off.</p></noscript>\n";

void cso_tree_page(const cso_search_result *result, const cso_extract_mark *marks, cso_text *text) {
    char title[64];
    snprintf(title, sizeof title, "Search tree %zu", result->index);
    page_begin(text, title, CSS, SCRIPTS);
    page_add(text, BODY);
    cso_text json = {0};
    add_result(&json, result, marks);
    page_add_data(text, &json);
    free(json.data);
    page_end(text, SCRIPTS);
}
