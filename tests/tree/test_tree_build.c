/* The radix tree against a naive set of prefixes, on thousands of random sets and on the cases that preference data has. */
#include "tree_naive.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The tokens on the way from the root to flat token i, read from the segments; returns how many. */
static size_t path_of(const cso_tree *tree, size_t i, int32_t *out) {
    size_t n = (size_t)tree->positions[i] + 1, at = n;
    int32_t s = 0;
    while (!((size_t)tree->segments[s].first <= i && i < (size_t)(tree->segments[s].first + tree->segments[s].length)))
        s++;
    for (int32_t last = (int32_t)i; s >= 0; s = tree->segments[s].parent) {
        for (int32_t k = last; k >= tree->segments[s].first; k--)
            out[--at] = tree->tokens[k];
        if (tree->segments[s].parent >= 0) {
            const cso_segment *p = &tree->segments[tree->segments[s].parent];
            last = p->first + p->length - 1;
        }
    }
    assert_int_equal(at, 0);
    return n;
}

static void check_counts(const cso_tree *tree, const cso_sequence *sequences, size_t count) {
    assert_int_equal(tree->n_sequences, count);
    assert_int_equal(tree->n_tokens, naive_tokens(sequences, count));
    assert_int_equal(tree->n_edges, naive_edges(sequences, count));
    assert_int_equal(tree->n_nodes, naive_nodes(sequences, count));
    assert_int_equal(tree->n_segments, naive_segments(sequences, count));
    size_t unshared = 0, depth = 0, measured, measured_unshared;
    for (size_t s = 0; s < count; s++) {
        size_t laid = naive_laid(&sequences[s]);
        unshared += laid;
        depth = laid > depth ? laid : depth;
    }
    assert_int_equal(tree->n_unshared_tokens, unshared);
    assert_int_equal(tree->max_depth, depth);
    assert_int_equal(cso_tree_measure(sequences, count, &measured, &measured_unshared, NULL), CSO_OK);
    assert_int_equal(measured, tree->n_tokens);
    assert_int_equal(measured_unshared, unshared);
}

/* Segments: in order, without gaps, parents before children, depth = length of the path above. Nodes and edges: in order. */
static void check_order(const cso_tree *tree) {
    size_t next = 0;
    for (size_t i = 0; i < tree->n_segments; i++) {
        const cso_segment *segment = &tree->segments[i];
        assert_true(segment->length > 0);
        assert_int_equal(segment->first, next);
        next += (size_t)segment->length;
        assert_true(segment->parent < (int32_t)i);
        if (segment->parent < 0)
            assert_int_equal(segment->depth, 0);
        else
            assert_int_equal(segment->depth, tree->segments[segment->parent].depth + tree->segments[segment->parent].length);
        for (int32_t k = 0; k < segment->length; k++)
            assert_int_equal(tree->positions[segment->first + k], segment->depth + k);
        /* Depth first: the parent is the segment before, or an ancestor of it. */
        int32_t walk = (int32_t)i - 1;
        while (walk >= 0 && walk != segment->parent)
            walk = tree->segments[walk].parent;
        assert_int_equal(walk, segment->parent);
    }
    assert_int_equal(next, tree->n_tokens);
    for (size_t n = 1; n < tree->n_nodes; n++)
        assert_true(tree->node_token[n] > tree->node_token[n - 1]);
    for (size_t e = 1; e < tree->n_edges; e++)
        assert_true(tree->edge_node[e] >= tree->edge_node[e - 1]);
}

/* Sequence s has one edge for each scored token, each below the sequence's own prefix, and `sum` is the sum of their logps.
 * Adds the derivative to expected[] of each. */
static void check_edges(const cso_tree *tree, const cso_sequence *sequence, size_t s, const double *logps, double sum,
                        double derivative, double *expected) {
    int32_t path[256];
    size_t k = tree->sequence_first[s];
    double found = 0;
    for (size_t t = 1; t < sequence->length; t++) {
        if (!naive_scored(sequence, t))
            continue;
        assert_true(k < tree->sequence_first[s + 1]);
        int32_t edge = tree->sequence_edges[k++];
        assert_int_equal(tree->edge_target[edge], sequence->ids[t]);
        assert_int_equal(path_of(tree, (size_t)tree->node_token[tree->edge_node[edge]], path), t);
        assert_memory_equal(path, sequence->ids, t * sizeof *path);
        found += logps[edge];
        expected[edge] += derivative;
    }
    assert_int_equal(k, tree->sequence_first[s + 1]);
    assert_true(found == sum);
}

/* Everything that tree.h promises. */
static void check(const cso_sequence *sequences, size_t count) {
    cso_tree tree;
    assert_int_equal(cso_tree_build(&tree, sequences, count, NULL), CSO_OK);
    check_counts(&tree, sequences, count);
    check_order(&tree);
    double *logps = calloc(tree.n_edges + 1, sizeof *logps), *weights = calloc(tree.n_edges + 1, sizeof *weights);
    double *sums = calloc(count + 1, sizeof *sums), *derivative = calloc(count + 1, sizeof *derivative);
    double *expected = calloc(tree.n_edges + 1, sizeof *expected);
    for (size_t e = 0; e < tree.n_edges; e++)
        logps[e] = -1.0 / (double)(e + 3);
    cso_tree_sequence_logps(&tree, logps, sums);
    for (size_t s = 0; s < count; s++) {
        derivative[s] = (double)(s + 1) / 7;
        check_edges(&tree, &sequences[s], s, logps, sums[s], derivative[s], expected);
    }
    cso_tree_edge_weights(&tree, derivative, weights);
    for (size_t e = 0; e < tree.n_edges; e++)
        assert_true(weights[e] == expected[e] && expected[e] > 0);
    free(logps);
    free(weights);
    free(sums);
    free(derivative);
    free(expected);
    cso_tree_free(&tree);
}

static void random_sets(void **state) {
    (void)state;
    uint64_t seed = 20240607;
    size_t tokens = 0;
    for (int round = 0; round < 30000; round++) {
        random_set set;
        random_set_make(&set, &seed, 1 + (size_t)round % 17, 1 + (size_t)round % 13);
        check(set.sequences, set.count);
        for (size_t s = 0; s < set.count; s++)
            tokens += set.sequences[s].length;
        random_set_free(&set);
    }
    assert_true(tokens > 100000);
}

static cso_sequence make(const int32_t *ids, size_t length, size_t score_start, size_t group) {
    return (cso_sequence){.ids = ids, .length = length, .score_start = score_start, .group = group};
}

static void one_pair_with_a_fork(void **state) {
    (void)state;
    const int32_t chosen[] = {1, 2, 3, 4, 5}, rejected[] = {1, 2, 3, 6, 7, 8};
    cso_sequence pair[] = {make(chosen, 5, 3, 0), make(rejected, 6, 3, 0)};
    cso_tree tree;
    assert_int_equal(cso_tree_build(&tree, pair, 2, NULL), CSO_OK);
    const int32_t tokens[] = {1, 2, 3, 4, 6, 7}, positions[] = {0, 1, 2, 3, 3, 4}, nodes[] = {2, 3, 4, 5};
    assert_int_equal(tree.n_tokens, 6); /* 5 and 8 are targets only */
    assert_memory_equal(tree.tokens, tokens, sizeof tokens);
    assert_memory_equal(tree.positions, positions, sizeof positions);
    assert_int_equal(tree.n_segments, 3);
    assert_int_equal(tree.segments[1].parent, 0);
    assert_int_equal(tree.segments[2].parent, 0);
    assert_int_equal(tree.n_nodes, 4);
    assert_memory_equal(tree.node_token, nodes, sizeof nodes);
    assert_int_equal(tree.n_edges, 5); /* 3->4, 3->6, 4->5, 6->7, 7->8 */
    assert_int_equal(tree.n_unshared_tokens, 9);
    cso_tree_free(&tree);
    check(pair, 2);
}

static void a_fork_in_the_middle_of_a_run(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4, 5}, b[] = {1, 2, 9, 9, 9}, c[] = {1, 2, 3, 4, 7, 7};
    cso_sequence set[] = {make(a, 5, 1, 0), make(b, 5, 1, 0), make(c, 6, 1, 0)};
    check(set, 3);
}

static void replies_that_are_prefixes_and_duplicates(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4, 5, 6};
    cso_sequence set[] = {make(a, 6, 2, 0), make(a, 4, 2, 0), make(a, 3, 2, 0), make(a, 6, 2, 0), make(a, 6, 4, 0)};
    cso_tree tree;
    assert_int_equal(cso_tree_build(&tree, set, 5, NULL), CSO_OK);
    assert_int_equal(tree.n_tokens, 5);
    assert_int_equal(tree.n_segments, 1);
    assert_int_equal(tree.n_edges, 4);
    cso_tree_free(&tree);
    check(set, 5);
}

static void nothing_scored(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3};
    uint8_t none[3] = {0, 0, 0};
    cso_sequence set[] = {make(a, 3, 3, 0), make(a, 0, 0, 0), make(a, 1, 0, 0), {.ids = a, .length = 3, .scored = none}};
    check(set, 4);
    check(set, 0);
    cso_sequence more[] = {set[0], make(a, 3, 2, 1), set[3]};
    check(more, 3);
}

static void groups_do_not_share(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4};
    cso_sequence set[] = {make(a, 4, 1, 5), make(a, 4, 1, 2), make(a, 4, 1, 5)};
    cso_tree tree;
    assert_int_equal(cso_tree_build(&tree, set, 3, NULL), CSO_OK);
    assert_int_equal(tree.n_tokens, 6);
    cso_tree_free(&tree);
    check(set, 3);
}

static void refusals(void **state) {
    (void)state;
    const int32_t a[] = {1, -2, 3};
    uint8_t first[3] = {1, 0, 0};
    cso_sequence negative = make(a, 3, 1, 0), scored_first = {.ids = a, .length = 3, .scored = first};
    cso_tree tree;
    cso_error err;
    size_t n, m;
    assert_int_equal(cso_tree_build(&tree, &negative, 1, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "sequence 0: token 1 has the negative id -2");
    assert_null(tree.tokens);
    assert_int_equal(cso_tree_measure(&negative, 1, &n, &m, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_tree_build(&tree, &scored_first, 1, &err), CSO_ERR_INTERNAL);
    cso_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pair_with_a_fork),
        cmocka_unit_test(a_fork_in_the_middle_of_a_run),
        cmocka_unit_test(replies_that_are_prefixes_and_duplicates),
        cmocka_unit_test(nothing_scored),
        cmocka_unit_test(groups_do_not_share),
        cmocka_unit_test(refusals),
        cmocka_unit_test(random_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
