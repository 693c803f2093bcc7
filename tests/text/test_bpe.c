/* test_bpe.c - merging against a direct transcription of the rule, for short and long words. */
#include "text/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LETTERS = 4, TOKENS = 200, LONGEST = 300 };

static uint32_t state_next(uint32_t *state) {
    return *state = *state * 1664525u + 1013904223u;
}

/* Joins the pair of the lowest rank, the leftmost of equal ones, until none is left. */
static size_t merge_naively(const cso_merges *merges, int32_t *symbols, size_t count) {
    for (;;) {
        const cso_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const cso_merge *merge = cso_merges_find(merges, symbols[i], symbols[i + 1]);
            if (merge && (!best || merge->rank < best->rank)) {
                best = merge;
                at = i;
            }
        }
        if (!best)
            return count;
        symbols[at] = best->merged;
        memmove(symbols + at + 1, symbols + at + 2, (--count - at - 1) * sizeof *symbols);
    }
}

/* Random merges: rank r joins two tokens that exist into token LETTERS + r. */
static void random_merges(cso_merges *merges, uint32_t *state) {
    assert_int_equal(cso_merges_create(merges, TOKENS, NULL), CSO_OK);
    for (uint32_t rank = 0; rank < TOKENS; rank++) {
        uint32_t known = LETTERS + rank;
        cso_merges_add(merges, (int32_t)(state_next(state) >> 8) % (int32_t)known,
                       (int32_t)(state_next(state) >> 8) % (int32_t)known, rank, (int32_t)known);
    }
}

static void test_against_naive(void **unused) {
    (void)unused;
    uint32_t state = 7;
    size_t joined = 0;
    cso_bpe_scratch scratch = {0};
    for (int round = 0; round < 300; round++) {
        cso_merges merges;
        random_merges(&merges, &state);
        for (int word = 0; word < 20; word++) {
            int32_t expected[LONGEST], got[LONGEST];
            size_t length = (state_next(&state) >> 8) % (word < 15 ? 40 : LONGEST), count = length;
            for (size_t i = 0; i < length; i++)
                expected[i] = got[i] = (int32_t)((state_next(&state) >> 8) % LETTERS);
            size_t wanted = merge_naively(&merges, expected, length);
            assert_true(cso_bpe_merge(&merges, got, &count, &scratch));
            assert_int_equal(count, wanted);
            assert_memory_equal(got, expected, wanted * sizeof *got);
            joined += length - wanted;
        }
        cso_merges_free(&merges);
    }
    assert_true(joined > 1000);
    cso_bpe_scratch_free(&scratch);
}

static void test_pair_given_twice(void **unused) {
    (void)unused;
    cso_merges merges;
    cso_bpe_scratch scratch = {0};
    int32_t word[] = {1, 2, 3};
    size_t count = 3;
    assert_int_equal(cso_merges_create(&merges, 3, NULL), CSO_OK);
    cso_merges_add(&merges, 1, 2, 0, 10);
    cso_merges_add(&merges, 2, 3, 1, 11);
    cso_merges_add(&merges, 1, 2, 2, 10); /* now after 2, 3 */
    assert_int_equal(merges.count, 2);
    assert_true(cso_bpe_merge(&merges, word, &count, &scratch));
    assert_int_equal(count, 2);
    assert_int_equal(word[0], 1);
    assert_int_equal(word[1], 11);
    cso_merges_free(&merges);
    cso_bpe_scratch_free(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_naive), cmocka_unit_test(test_pair_given_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
