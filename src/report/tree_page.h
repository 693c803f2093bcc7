/* tree_page.h - a search to look at: one self-contained HTML page for each tree, an index page, Graphviz DOT, and text for a
 * terminal. Whatever the texts are, nothing in them is executed, loaded or obeyed. A NULL text counts as "". Trees must be whole, as
 * cso_tree_file_read leaves them. Without memory, text->failed is set.
 */
#ifndef CSO_TREE_PAGE_H
#define CSO_TREE_PAGE_H

#include "search/extract.h"

/* Adds the page of a tree, which links to index.html. marks: (tree.count), of cso_extract_marks. */
void cso_tree_page(const cso_search_result *result, const cso_extract_mark *marks, cso_text *text);
/* Adds Graphviz DOT: strategy, Q and N in the nodes, the first 2,000 bytes of the texts as tooltips. */
void cso_tree_dot(const cso_search_result *result, const cso_extract_mark *marks, cso_text *text);

/* A line of the index page. */
typedef struct cso_tree_summary {
    size_t index;
    const char *state, *scene, *description; /* a state that begins with a word of cso_search_state_words gets its colour */
    size_t iterations, nodes, ended, depth, records, pairs, calls;
    double best_q; /* of the ends that count; NAN: there is none */
} cso_tree_summary;
/* Adds the index page, which links to 000001.html and so on. */
void cso_tree_index_page(const cso_tree_summary *summaries, size_t count, const char *title, cso_text *text);

/* For a terminal: a line for each node that was generated, with branches drawn, cut to `columns`; colour: by strategy. What is not
 * printable is shown as \xNN, line breaks and tabs as blanks. A strategy's name is cut where there are fewer than 120 columns. */
typedef struct cso_tree_show_options {
    size_t columns;    /* 0: not cut */
    bool colour, lazy; /* lazy: also the nodes that were not generated */
} cso_tree_show_options;
void cso_tree_show(const cso_search_result *result, const cso_extract_mark *marks, const cso_tree_show_options *options,
                   cso_text *text);

#endif
