/* Which process gets which pairs. */
#include "train_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const size_t *costs, size_t n, size_t ranks, const int *expected) {
    int owner[16];
    cso_error err = {0};
    golden_ok(cso_deal(costs, n, ranks, owner, &err), &err);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(owner[i], expected[i]);
}

static void largest_first(void **state) {
    (void)state;
    const size_t costs[] = {3, 10, 4, 7, 2};
    const int one[] = {0, 0, 0, 0, 0}, two[] = {0, 0, 1, 1, 1}, three[] = {2, 0, 2, 1, 1}, many[] = {3, 0, 2, 1, 4};
    expect(costs, 5, 1, one);
    expect(costs, 5, 2, two); /* 10 | 7 + 4, then 3 to the 10, 2 to the 11 */
    expect(costs, 5, 3, three);
    expect(costs, 5, 8, many);
}

static void equals_in_order(void **state) {
    (void)state;
    const size_t costs[] = {5, 5, 5, 5, 5}, nothing[] = {0, 0};
    const int three[] = {0, 1, 2, 0, 1}, first[] = {0, 0};
    expect(costs, 5, 3, three);
    expect(nothing, 2, 2, first);
}

/* Greedy dealing never gives anyone more than the mean and the largest together. */
static void evenly(void **state) {
    (void)state;
    size_t costs[200], total = 0, largest = 0, loads[7] = {0}, most = 0;
    int owner[200];
    cso_error err = {0};
    uint64_t random = 1;
    for (size_t i = 0; i < 200; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        costs[i] = 1 + (random >> 33) % 1000;
        total += costs[i];
        largest = costs[i] > largest ? costs[i] : largest;
    }
    golden_ok(cso_deal(costs, 200, 7, owner, &err), &err);
    for (size_t i = 0; i < 200; i++) {
        assert_in_range(owner[i], 0, 6);
        loads[owner[i]] += costs[i];
    }
    for (size_t r = 0; r < 7; r++)
        most = loads[r] > most ? loads[r] : most;
    assert_true(most <= total / 7 + largest);
}

/* By tokens of the dialogues' trees, whole dialogues, in whatever order the pairs of a batch stand. */
static void dialogues_stay_together(void **state) {
    (void)state;
    static const int32_t a[] = {1, 5, 6, 7, 8, 9, 20, 21, 22, 23}, b[] = {1, 5, 6, 7, 8, 9, 30, 31}, c[] = {1, 40, 41, 42},
                         d[] = {1, 40, 43, 44}, e[] = {1, 50, 51, 52, 53}, g[] = {1, 50, 54, 55, 56};
    const test_pair pairs[] = {
        {{a, b}, {10, 8}, 6}, {{c, d}, {4, 4}, 2}, {{b, a}, {8, 10}, 6}, {{e, g}, {5, 5}, 2}, {{d, c}, {4, 4}, 2}};
    const size_t dialogues[] = {7, 3, 7, 9, 3}, order[] = {3, 0, 4, 2, 1};
    cso_dataset data = test_dataset(pairs, 5);
    cso_error err = {0};
    int owner[5];
    test_objective o;
    test_objective_make(&o, cso_loss_find("cso"), cso_loss_default_options(), &data);
    cso_batch_source source = {.data = &data, .examples = order, .n = 5, .packing = CSO_PACK_TREE, .objective = &o.objective};
    for (size_t i = 0; i < 5; i++)
        data.examples[i].dialogue = dialogues[i];
    golden_ok(cso_batch_deal(&source, 2, owner, &err), &err);
    /* Dialogue 7 has 10 tokens before the last ones, 9 has 6, 3 has 4. */
    const int tree[] = {1, 0, 1, 0, 1};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(owner[i], tree[i]);
    source.packing = CSO_PACK_NONE;
    golden_ok(cso_batch_deal(&source, 3, owner, &err), &err);
    assert_true(owner[1] == owner[3] && owner[2] == owner[4] && owner[0] != owner[1] && owner[1] != owner[2] &&
                owner[0] != owner[2]);
    test_dataset_free(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_first),
        cmocka_unit_test(equals_in_order),
        cmocka_unit_test(evenly),
        cmocka_unit_test(dialogues_stay_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
