/* report_fixture.h - trees made by hand or by chance, for the tests of the reports. */
#ifndef CSO_TESTS_REPORT_FIXTURE_H
#define CSO_TESTS_REPORT_FIXTURE_H

#include "report/tree_page.h"

typedef struct report_tree {
    cso_search_result result;
    cso_extract_mark *marks; /* (tree.capacity) */
} report_tree;

/* An empty tree; names: strategies (count). */
void report_tree_begin(report_tree *tree, const char *const *names, size_t count);
/* A node; reply NULL: not generated, answer NULL: ended. parent CSO_NO_NODE: the root. Returns its index. */
size_t report_tree_add(report_tree *tree, size_t parent, size_t strategy, double prior, const char *reply, const char *answer);
void report_tree_value(report_tree *tree, size_t node, double q, uint64_t n, cso_extract_mark mark);
void report_tree_free(report_tree *tree);

/* Start, two turns, an end that counts: 0 root; 1 Affirmation, 2 Share Information (negative), 3 not generated below 0;
 * 4 below 1, ended. `text` is the reply of 1, the answer of 2, scene and description. */
void report_tree_small(report_tree *tree, const char *text);
/* A search with made-up rewards that ends when the tree has that many nodes. hostile: every third text tries to break out. */
void report_tree_search(report_tree *tree, size_t count, bool hostile, uint64_t seed);

/* Texts that try to break out of a page, a string, a line or a column. */
extern const char *const report_hostile[];
extern const size_t report_hostile_count;

#endif
