/* Plans: every unit once and in order, every tree within the limit or a single unit, no tree closed earlier than needed. */
#include "tree_naive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const cso_sequence *sequences, const size_t *first, size_t count, size_t max_tokens) {
    cso_arena arena = {0};
    size_t *cuts, n_trees;
    assert_int_equal(cso_tree_plan(&(cso_tree_units){sequences, first, count}, max_tokens, &arena, &cuts, &n_trees, NULL), CSO_OK);
    assert_int_equal(cuts[0], 0);
    if (!count)
        assert_int_equal(n_trees, 0);
    else
        assert_int_equal(cuts[n_trees], count);
    for (size_t k = 0; k < n_trees; k++) {
        size_t from = first[cuts[k]], to = first[cuts[k + 1]], unshared, tokens = naive_tokens(sequences + from, to - from);
        assert_true(cuts[k + 1] > cuts[k]);
        assert_true(tokens <= max_tokens || cuts[k + 1] == cuts[k] + 1);
        if (k + 1 < n_trees) { /* the next unit would not have fitted */
            assert_int_equal(cso_tree_measure(sequences + from, first[cuts[k + 1] + 1] - from, &tokens, &unshared, NULL), CSO_OK);
            assert_true(tokens > max_tokens);
        }
    }
    cso_arena_free(&arena);
}

static void random_plans(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 4000; round++) {
        random_set set;
        size_t first[32], units = 0;
        random_set_make(&set, &seed, 24, 9);
        for (size_t s = 0; s < set.count; s += 1 + random_next(&seed) % 3)
            first[units++] = s;
        first[units] = set.count;
        check(set.sequences, first, units, random_next(&seed) % 60);
        random_set_free(&set);
    }
}

static void limits(void **state) {
    (void)state;
    const int32_t a[] = {1, 2, 3, 4}, b[] = {1, 2, 3, 5}, c[] = {9, 9, 9, 9};
    cso_sequence set[] = {{.ids = a, .length = 4}, {.ids = b, .length = 4}, {.ids = c, .length = 4}};
    const size_t first[] = {0, 1, 2, 3};
    const cso_tree_units units = {set, first, 3};
    cso_arena arena = {0};
    size_t *cuts, n_trees;
    assert_int_equal(cso_tree_plan(&units, 3, &arena, &cuts, &n_trees, NULL), CSO_OK);
    assert_int_equal(n_trees, 2); /* a and b lay out the same three tokens */
    assert_int_equal(cuts[1], 2);
    assert_int_equal(cso_tree_plan(&units, 6, &arena, &cuts, &n_trees, NULL), CSO_OK);
    assert_int_equal(n_trees, 1);
    assert_int_equal(cso_tree_plan(&units, 1, &arena, &cuts, &n_trees, NULL), CSO_OK);
    assert_int_equal(n_trees, 3); /* each too large, each alone */
    cso_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(random_plans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
