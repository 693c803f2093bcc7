/* tree_dot.c - a tree as Graphviz DOT.
 *
 * In a quoted string Graphviz reads \" as a quote, and then, as an "escString", \\ as a backslash, \n as a new line and \N, \G, \E
 * and others as names of its own; it also replaces HTML's character references. So quotes and backslashes are escaped and & becomes
 * &amp;.
 */
#include "base/printable.h"
#include "strategy_colour.h"
#include "tree_walk.h"

#include <stdio.h>
#include <string.h>

enum { TOOLTIP = 2000 }; /* the most bytes of a text */

static void add(cso_text *text, const char *dot) {
    cso_text_add(text, dot, strlen(dot));
}

/* Adds a text inside quotes: what is not printable as \xNN, line breaks as \n. */
static void add_escaped(cso_text *text, const char *value) {
    for (size_t at = 0; value[at] && !text->failed;) {
        size_t length = cso_printable_length(value + at, strnlen(value + at, 4));
        if (at >= TOOLTIP) {
            add(text, " \xE2\x80\xA6");
            return;
        }
        if (value[at] == '"' || value[at] == '\\')
            cso_text_format(text, "\\%c", value[at]);
        else if (value[at] == '&')
            add(text, "&amp;");
        else if (value[at] == '\n')
            add(text, "\\n");
        else if (length)
            cso_text_add(text, value + at, length);
        else
            cso_text_format(text, "\\\\x%02x", (unsigned char)value[at]);
        at += length ? length : 1;
    }
}

static void add_node(cso_text *text, const cso_search_tree *tree, size_t index, cso_extract_mark mark) {
    const cso_search_node *node = &tree->nodes[index];
    cso_text_format(text, "  n%zu [label=\"", index);
    add_escaped(text, tree_walk_strategy(tree, index));
    if (node->generated)
        cso_text_format(text, "\\nQ %.2f  N %llu", node->q, (unsigned long long)node->n);
    else
        cso_text_format(text, "\\nP %.2f", node->prior);
    add(text, "\", tooltip=\"");
    add_escaped(text, node->generated && node->reply ? node->reply : "not generated");
    if (node->answer && *node->answer) {
        add(text, "\\n");
        add_escaped(text, node->answer);
    }
    add(text, "\"");
    if (node->parent != CSO_NO_NODE) {
        strategy_colour colour = strategy_colour_of(node->strategy);
        if (node->generated)
            cso_text_format(text, ", fillcolor=\"%s\", fontcolor=\"%s\"", colour.fill, colour.ink);
        else
            cso_text_format(text, ", style=\"rounded,dotted\", color=\"%s\", fontcolor=\"#666666\"", colour.fill);
    }
    if (mark == CSO_MARK_PREFERRED)
        add(text, ", penwidth=3");
    else if (mark == CSO_MARK_NEGATIVE)
        add(text, ", style=\"rounded,filled,dashed\"");
    add(text, node->ended ? ", peripheries=2];\n" : "];\n");
}

static void add_edge(cso_text *text, const cso_search_tree *tree, size_t index, cso_extract_mark mark) {
    const cso_search_node *node = &tree->nodes[index];
    cso_text_format(text, "  n%zu -> n%zu", node->parent, index);
    if (mark == CSO_MARK_PREFERRED)
        add(text, " [penwidth=3, color=\"#000000\"]");
    else if (mark == CSO_MARK_NEGATIVE)
        add(text, " [style=dashed]");
    else if (!node->generated)
        add(text, " [style=dotted, color=\"#bbbbbb\"]");
    add(text, ";\n");
}

void cso_tree_dot(const cso_search_result *result, const cso_extract_mark *marks, cso_text *text) {
    const cso_search_tree *tree = &result->tree;
    cso_text_format(text, "digraph search_%zu {\n", result->index);
    add(text, "  graph [rankdir=LR, charset=\"UTF-8\", nodesep=0.12, ranksep=0.5, label=\"");
    cso_text_format(text, "seed %zu: %s, %zu iterations\\n", result->index, tree_walk_state(result->state), result->iterations);
    add_escaped(text, result->scene ? result->scene : "");
    add(text, "\"];\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", fontname=\"Helvetica\", fontsize=10, "
              "margin=\"0.1,0.04\"];\n"
              "  edge [color=\"#888888\", arrowhead=none];\n");
    for (size_t i = 0; i < tree->count && !text->failed; i++)
        add_node(text, tree, i, marks[i]);
    for (size_t i = 0; i < tree->count && !text->failed; i++)
        if (tree->nodes[i].parent != CSO_NO_NODE)
            add_edge(text, tree, i, marks[i]);
    add(text, "}\n");
}
