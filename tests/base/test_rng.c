/* test_rng.c - Philox against the authors' known answers (Random123's kat_vectors), and the functions built on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

#include <math.h>

static void known_answers(void **state) {
    (void)state;
    static const struct {
        cso_rng rng;
        uint32_t word0, word1;
    } cases[] = {
        {{0, 0, 0}, 0x6627e8d5, 0xe169c58d},
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX}, 0x408f276d, 0x41c83b0e},
        {{0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88}, 0xd16cfe09, 0x94fdcceb},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cso_rng a = cases[i].rng, b = a;
        assert_int_equal(cso_rng_u32(&a), cases[i].word0);
        assert_int_equal(cso_rng_u64(&b), (uint64_t)cases[i].word1 << 32 | cases[i].word0);
        assert_int_equal(a.index, cases[i].rng.index + 1);
    }
}

static void any_number_can_be_had_alone(void **state) {
    (void)state;
    cso_rng all = cso_rng_make(42, CSO_STREAM_DROPOUT, 3);
    for (uint64_t i = 0; i < 1000; i++) {
        cso_rng one = cso_rng_make(42, CSO_STREAM_DROPOUT, 3);
        one.index = i;
        assert_int_equal(cso_rng_u32(&all), cso_rng_u32(&one));
    }
    cso_rng a = cso_rng_make(42, CSO_STREAM_DROPOUT, 3), b = cso_rng_make(42, CSO_STREAM_LORA, 3),
            c = cso_rng_make(42, CSO_STREAM_DROPOUT, 4), d = cso_rng_make(43, CSO_STREAM_DROPOUT, 3);
    uint64_t first = cso_rng_u64(&a);
    assert_true(first != cso_rng_u64(&b) && first != cso_rng_u64(&c) && first != cso_rng_u64(&d));
}

static void uniform_numbers(void **state) {
    (void)state;
    enum { N = 200000 };
    cso_rng rng = cso_rng_make(1, CSO_STREAM_MODEL, 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        float x = cso_rng_float(&rng);
        assert_true(x >= 0.0f && x < 1.0f);
        sum += x;
        squares += (double)x * x;
    }
    assert_true(fabs(sum / N - 0.5) < 0.005);
    assert_true(fabs(squares / N - 1.0 / 3) < 0.005);
    size_t counts[7] = {0};
    for (int i = 0; i < N; i++)
        counts[cso_rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_true(fabs((double)counts[i] / N - 1.0 / 7) < 0.005);
    assert_int_equal(cso_rng_below(&rng, 1), 0);
    for (int i = 0; i < 100; i++)
        assert_true(cso_rng_below(&rng, UINT64_MAX - 5) < UINT64_MAX - 5);
}

static void normal_numbers(void **state) {
    (void)state;
    enum { N = 200000 };
    cso_rng rng = cso_rng_make(7, CSO_STREAM_LORA, 9);
    double sum[5] = {0};
    for (int i = 0; i < N; i++) {
        double x = cso_rng_normal(&rng), p = 1;
        assert_true(isfinite(x));
        for (int k = 1; k < 5; k++)
            sum[k] += p *= x;
    }
    assert_true(fabs(sum[1] / N) < 0.01);
    assert_true(fabs(sum[2] / N - 1) < 0.02);
    assert_true(fabs(sum[3] / N) < 0.05);
    assert_true(fabs(sum[4] / N - 3) < 0.1);
}

static void shuffles(void **state) {
    (void)state;
    size_t positions[5][5] = {{0}};
    for (size_t round = 0; round < 20000; round++) {
        cso_rng rng = cso_rng_make(3, CSO_STREAM_SHUFFLE, round);
        size_t items[5] = {0, 1, 2, 3, 4}, seen = 0;
        cso_rng_shuffle(&rng, items, 5);
        for (size_t i = 0; i < 5; i++) {
            seen |= (size_t)1 << items[i];
            positions[items[i]][i]++;
        }
        assert_int_equal(seen, 31);
    }
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            assert_true(positions[i][j] > 3700 && positions[i][j] < 4300);
    cso_rng rng = cso_rng_make(0, 0, 0);
    cso_rng_shuffle(&rng, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_answers), cmocka_unit_test(any_number_can_be_had_alone),
                                       cmocka_unit_test(uniform_numbers), cmocka_unit_test(normal_numbers),
                                       cmocka_unit_test(shuffles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
