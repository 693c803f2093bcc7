/* tree, pair and none are the same function: loss, metrics and gradients agree, cut by memory or not. */
#include "train_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"tree", "pair", "none"};

static void run(train_fixture *f, cso_packing packing, const size_t *pairs, size_t n, float *grads, cso_batch_result *result) {
    cso_reference_cache cache;
    cso_error err = {0}, warning;
    golden_ok(cso_reference_cache_open(&cache, NULL, NULL, 0, &f->data, &warning, &err), &err);
    test_objective o;
    test_objective_make(&o, cso_loss_find("cso"), test_options(0.1, 0.05), &f->data);
    const cso_batch_job job = {
        .engine = f->engine,
        .data = &f->data,
        .packing = packing,
        .objective = &o.objective,
        .metrics = &o.table,
        .reference = f->reference,
        .cache = &cache,
    };
    memset(grads, 0, f->adapter->n_params * sizeof *grads);
    golden_ok(cso_batch_run(&job, f->adapter, pairs, n, grads, result, &err), &err);
    for (size_t i = 0; i < n; i++)
        assert_true(cso_reference_cache_has(&cache, pairs[i]));
    cso_reference_cache_free(&cache);
}

static double apart(const cso_batch_result *x, const cso_batch_result *y, const char *name) {
    return fabs(pair_metric(x->metrics, name) - pair_metric(y->metrics, name));
}

static void compare(const char *what, train_fixture *f, const float *a, const float *b, const cso_batch_result *x,
                    const cso_batch_result *y) {
    size_t n = f->adapter->n_params;
    double *da = malloc(n * sizeof *da), *db = malloc(n * sizeof *db);
    for (size_t i = 0; i < n; i++) {
        da[i] = a[i];
        db[i] = b[i];
    }
    double grads = golden_relative(da, db, n), loss = fabs(x->metrics[0] - y->metrics[0]);
    double logps = apart(x, y, "logps/chosen") + apart(x, y, "logps/rejected");
    print_message("%s: loss %.2e, gradients %.2e, mean log-probabilities %.2e apart\n", what, loss, grads, logps);
    if (!(loss <= 1e-5 && grads <= 1e-5 && logps <= 1e-3 && apart(x, y, "rewards/margins") <= 1e-4))
        fail_msg("%s: loss %.2e, gradients %.2e, log-probabilities %.2e apart", what, loss, grads, logps);
    assert_true(apart(x, y, "rewards/accuracies") == 0);
    assert_int_equal(x->tokens_unshared, y->tokens_unshared);
    free(da);
    free(db);
}

/* All three packings of the fixture's data; largest gradients of the order of 1. */
static void all_packings(train_fixture *f) {
    size_t n = f->data.count, *pairs = calloc(n, sizeof *pairs);
    float *grads[3];
    cso_batch_result results[3];
    for (size_t i = 0; i < n; i++)
        pairs[i] = i;
    for (size_t p = 0; p < 3; p++) {
        grads[p] = malloc(f->adapter->n_params * sizeof *grads[p]);
        run(f, (cso_packing)p, pairs, n, grads[p], &results[p]);
    }
    assert_true(results[0].tokens < results[1].tokens && results[1].tokens < results[2].tokens);
    assert_int_equal(results[2].tokens, results[2].tokens_unshared);
    for (size_t p = 0; p < 2; p++)
        compare(names[p], f, grads[p], grads[2], &results[p], &results[2]);
    for (size_t p = 0; p < 3; p++)
        free(grads[p]);
    free(pairs);
}

static void the_golden_pairs(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    all_packings(&f);
    train_fixture_close(&f);
}

/* Masks belong to prefixes, not to places in a tree. */
static void dropout_too(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    f.adapter->options.dropout = 0.25;
    all_packings(&f);
    train_fixture_close(&f);
}

/* Replies that part inside a word, that are prefixes of one another, that are equal to another pair's, of one token; whole
 * prompts in common. */
static void forks_inside_words(void **state) {
    (void)state;
    static const int32_t a[] = {1, 5, 6, 7, 8, 9, 20, 21, 22, 23, 2}, b[] = {1, 5, 6, 7, 8, 9, 20, 21, 30, 2};
    static const int32_t c[] = {1, 5, 6, 7, 8, 9, 20, 21}, d[] = {1, 5, 6, 7, 8, 9, 20, 21, 22, 23, 2, 40, 41, 42, 43};
    static const int32_t e[] = {1, 5, 6, 7, 50, 51, 52}, g[] = {1, 5, 6, 7, 50}, h[] = {60, 61, 62, 2}, k[] = {60, 61, 2};
    const test_pair pairs[] = {
        {{a, b}, {11, 10}, 6}, {{a, c}, {11, 8}, 6},  {{c, a}, {8, 11}, 6}, {{d, a}, {15, 11}, 6},
        {{e, g}, {7, 5}, 4},   {{d, b}, {15, 10}, 6}, {{h, k}, {4, 3}, 2},  {{h, k}, {4, 3}, 1},
    };
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    test_dataset_free(&f.data);
    f.data = test_dataset(pairs, sizeof pairs / sizeof *pairs);
    all_packings(&f);
    train_fixture_close(&f);
}

static void cut_by_memory(void **state) {
    (void)state;
    train_fixture f, small;
    const size_t pairs[] = {3, 1, 0, 2, 15, 7, 11, 5};
    cso_batch_result whole, cut;
    train_fixture_open(&f, "r4", 0);
    /* Enough for the longest pair, not for all. */
    size_t need = cso_engine_bytes(f.engine, 1200, 0);
    train_fixture_open(&small, "r4", need);
    float *one = malloc(f.adapter->n_params * sizeof *one), *two = malloc(f.adapter->n_params * sizeof *two);
    for (size_t p = 0; p < 3; p++) {
        run(&f, (cso_packing)p, pairs, 8, one, &whole);
        run(&small, (cso_packing)p, pairs, 8, two, &cut);
        if (p == CSO_PACK_TREE) /* the others are cut at a size of their own, too */
            assert_int_equal(whole.trees, 1);
        assert_true(cut.trees > whole.trees);
        compare(names[p], &f, two, one, &cut, &whole);
    }
    free(one);
    free(two);
    train_fixture_close(&f);
    train_fixture_close(&small);
}

/* With B = 0 policy and reference are the same function, and the loss is ln 2 to the last bit, in every packing. */
static void fresh_adapter_is_the_base(void **state) {
    (void)state;
    train_fixture f;
    size_t pairs[16];
    cso_batch_result result;
    train_fixture_open(&f, "r4-fresh", 0);
    float *grads = malloc(f.adapter->n_params * sizeof *grads);
    for (size_t i = 0; i < 16; i++)
        pairs[i] = (i * 5) % 16;
    for (size_t p = 0; p < 3; p++) {
        run(&f, (cso_packing)p, pairs, 13, grads, &result);
        for (size_t k = 0; k < 3; k++)
            assert_true(pair_metric(result.metrics, (const char *[]){"rewards/chosen", "rewards/rejected", "rewards/margins"}[k]) ==
                        0);
        assert_true(fabs(result.metrics[0] - log(2.0)) <= 1e-15);
    }
    free(grads);
    train_fixture_close(&f);
}

static void too_little_memory(void **state) {
    (void)state;
    train_fixture f, small;
    train_fixture_open(&f, "r4", 0);
    train_fixture_open(&small, "r4", cso_engine_bytes(f.engine, 50, 0));
    cso_reference_cache cache;
    cso_error err = {0}, warning;
    cso_batch_result result;
    const size_t pair = 4;
    golden_ok(cso_reference_cache_open(&cache, NULL, NULL, 0, &small.data, &warning, &err), &err);
    test_objective o;
    test_objective_make(&o, cso_loss_find("cso"), test_options(0.1, 0), &small.data);
    const cso_batch_job job = {
        .engine = small.engine, .data = &small.data, .objective = &o.objective, .metrics = &o.table, .cache = &cache};
    assert_int_equal(cso_batch_run(&job, small.adapter, &pair, 1, NULL, &result, &err), CSO_ERR_USAGE);
    assert_ptr_equal(strstr(err.message, "train.memory_gib: record 5 alone needs "), err.message);
    cso_reference_cache_free(&cache);
    train_fixture_close(&f);
    train_fixture_close(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_pairs),          cmocka_unit_test(dropout_too),
        cmocka_unit_test(forks_inside_words),        cmocka_unit_test(cut_by_memory),
        cmocka_unit_test(fresh_adapter_is_the_base), cmocka_unit_test(too_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
