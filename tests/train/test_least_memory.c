/* test_least_memory.c - where memory is so scarce that it decides how batches are cut, the number of threads still decides
 * nothing. */
#include "base/parallel.h"
#include "train/train_plan.h"
#include "train_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 4 };

typedef struct heard {
    size_t trees, tokens, warnings;
    size_t stop_after;
    size_t steps;
} heard;

static void on_step(void *context, const cso_step_report *report) {
    heard *h = context;
    h->trees += report->trees;
    h->tokens += report->tokens;
    h->steps++;
}
static void on_warning(void *context, const char *text) {
    print_message("warning: %s\n", text);
    ((heard *)context)->warnings++;
}
static bool should_stop(void *context) {
    const heard *h = context;
    return h->stop_after && h->steps >= h->stop_after;
}

static void open_fixture(train_fixture *f, size_t memory, int threads) {
    train_fixture_open(f, "r4", memory);
    cso_pool_set_threads(f->ctx->pool, threads);
    f->config.train.max_steps = STEPS;
}

static cso_status plan_with(size_t memory, int threads) {
    train_fixture f;
    cso_train_plan plan;
    open_fixture(&f, memory, threads);
    const cso_train_job job = train_fixture_job(&f);
    cso_status status = cso_train_plan_make(&plan, &job, NULL);
    train_fixture_close(&f);
    return status;
}

/* To the KiB: the least memory with which a run of one thread starts. */
static size_t least_memory(void) {
    size_t low = 1 << 20, high = (size_t)1 << 28;
    while (high - low > 1024) {
        size_t middle = low + (high - low) / 2;
        if (plan_with(middle, 1) == CSO_OK)
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* Plans, checks the plan against the memory, and trains. */
static heard train(train_fixture *f, size_t memory, size_t stop_after) {
    heard h = {.stop_after = stop_after};
    cso_train_plan plan;
    cso_error err = {0};
    cso_train_job job = train_fixture_job(f);
    job.resume = "auto";
    golden_ok(cso_train_plan_make(&plan, &job, &err), &err);
    size_t bytes = cso_engine_need_bytes(f->engine, &plan.need.engine); /* the largest arrays and the largest buffers of any tree */
    if (bytes > memory + memory / 100)
        fail_msg("%zu bytes of %zu", bytes, memory);
    job.need = plan.need;
    job.observer = (cso_train_observer){.context = &h, .step = on_step, .warning = on_warning, .should_stop = should_stop};
    cso_status status = cso_train(&job, &err);
    if (stop_after)
        assert_int_equal(status, CSO_STOPPED);
    else
        golden_ok(status, &err);
    return h;
}

static void threads_do_not_matter_at_the_least_memory(void **state) {
    (void)state;
    static const int THREADS[] = {1, 2, 5, 16};
    const size_t least = least_memory(), memories[] = {least, least + least / 40};
    for (size_t m = 0; m < 2; m++) {
        heard first = {0};
        float *params = NULL;
        size_t bytes = 0;
        for (size_t i = 0; i < sizeof THREADS / sizeof *THREADS; i++) {
            train_fixture f;
            open_fixture(&f, memories[m], THREADS[i]);
            heard h = train(&f, memories[m], 0);
            print_message("%zu KiB, %d threads (%d used): %zu trees, %zu tokens\n", memories[m] >> 10, THREADS[i],
                          cso_pool_threads(f.ctx->pool), h.trees, h.tokens);
            if (!params) {
                bytes = f.adapter->n_params * sizeof *params;
                params = malloc(bytes);
                memcpy(params, f.adapter->params, bytes);
                first = h;
                assert_true(h.trees > STEPS); /* else memory would not decide anything */
            }
            assert_int_equal(h.trees, first.trees);
            assert_int_equal(h.tokens, first.tokens);
            assert_memory_equal(f.adapter->params, params, bytes);
            train_fixture_close(&f);
        }
        free(params);
    }
}

/* Stopped after two steps and resumed with another number of threads: as without the stop. */
static void resumed_with_other_threads(void **state) {
    (void)state;
    const size_t memory = least_memory();
    train_fixture whole, parts;
    open_fixture(&whole, memory, 3);
    heard uninterrupted = train(&whole, memory, 0);
    open_fixture(&parts, memory, 1);
    heard before = train(&parts, memory, 2);
    train_fixture_restart(&parts);
    cso_pool_set_threads(parts.ctx->pool, 8);
    heard after = train(&parts, memory, 0);
    assert_int_equal(before.trees + after.trees, uninterrupted.trees);
    assert_int_equal(before.warnings, 0);
    assert_memory_equal(parts.adapter->params, whole.adapter->params, whole.adapter->n_params * sizeof(float));
    train_fixture_close(&whole);
    train_fixture_close(&parts);
}

/* Batches are cut below what would fit, so that threads have room; both limits ignore the number of threads. */
static void limits_ignore_threads(void **state) {
    (void)state;
    static const size_t MEMORIES[] = {(size_t)1 << 20, (size_t)64 << 20, (size_t)1 << 30, (size_t)1 << 36};
    for (size_t i = 0; i < sizeof MEMORIES / sizeof *MEMORIES; i++) {
        train_fixture f;
        open_fixture(&f, MEMORIES[i], 1);
        size_t most = cso_engine_max_tokens(f.engine), cut = cso_engine_tree_tokens(f.engine);
        assert_true(cut <= most && cut >= most / 2);
        cso_pool_set_threads(f.ctx->pool, 100);
        assert_int_equal(cso_engine_max_tokens(f.engine), most);
        assert_int_equal(cso_engine_tree_tokens(f.engine), cut);
        train_fixture_close(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter_at_the_least_memory),
        cmocka_unit_test(resumed_with_other_threads),
        cmocka_unit_test(limits_ignore_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
