/* Exact resume: a run that was stopped and went on is the run that was not, byte by byte. The tests after the first two are
 * failures that users of other trainers met, a test for each. */
#include "resume_fixture.h"

#include "base/file.h"
#include "base/parallel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The run that nothing disturbs, with all its checkpoints, in root/whole. */
static void run_whole(resume_fixture *f, process *p) {
    f->config.checkpoint.every_steps = 1;
    f->config.checkpoint.keep_last = 100;
    run_well(f, p, "whole", 0);
    assert_int_equal(p->count, RESUME_STEPS);
    f->config.checkpoint.every_steps = 0;
    f->config.checkpoint.keep_last = 2;
}

static void same_adapters(const resume_fixture *f, const char *dir) {
    size_t size_a, size_b;
    char *a = take_file(root_path(f, "whole/adapter/adapter_model.safetensors"), &size_a);
    char *b = take_file(root_path(f, "%s/adapter/adapter_model.safetensors", dir), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
}

/* For each step: a process that stops there, and one that goes on to the end. */
static void stop_and_resume_at_every_step(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    run_whole(&f, &whole);
    for (size_t stop = 1; stop < RESUME_STEPS; stop++) {
        char dir[32];
        snprintf(dir, sizeof dir, "at-%zu", stop);
        run_well(&f, &p, dir, stop);
        same_checkpoint(&f, "whole", dir, stop);
        same_metrics(&f, "whole", dir, stop);
        run_well(&f, &p, dir, 0);
        assert_int_equal(p.count, RESUME_STEPS - stop);
        same_checkpoint(&f, "whole", dir, RESUME_STEPS);
        same_metrics(&f, "whole", dir, RESUME_STEPS);
        same_adapters(&f, dir);
        assert_int_equal(cso_remove_tree(root_path(&f, "%s", dir), NULL), CSO_OK);
    }
    resume_fixture_close(&f);
}

/* With the same settings every file of a checkpoint has the same bytes, log_history and the sums of an interval included. */
static void every_byte_of_the_state(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    f.config.checkpoint.every_steps = 4;
    f.config.checkpoint.keep_last = 100;
    run_well(&f, &p, "whole", 0);
    for (size_t stop = 1; stop < RESUME_STEPS; stop += 7) {
        run_well(&f, &p, "run", stop);
        run_well(&f, &p, "run", 0);
        for (size_t step = 4; step <= RESUME_STEPS; step += 4)
            same_bytes(&f, "whole", "run", step);
        assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
    }
    resume_fixture_close(&f);
}

/* One run of sixty processes, a step each, with pairs in random order. What may change does change: threads, memory,
 * frequency of checkpoints and lines of the log. */
static void every_step_in_a_process_of_its_own(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    f.config.data.shuffle = CSO_SHUFFLE_PAIR;
    run_whole(&f, &whole);
    for (size_t step = 1; step <= RESUME_STEPS; step++) {
        cso_pool_set_threads(f.ctx->pool, 1 + (int)(step % 3));
        f.memory = (size_t)1 << (26 + step % 3);
        f.config.checkpoint.every_steps = step % 4;
        f.config.log.every_steps = 1 + step % 2;
        if (step == 1) { /* the place of the cuts is that of the first process */
            cso_pool_set_threads(f.ctx->pool, 1);
            f.memory = (size_t)1 << 28;
        }
        run_well(&f, &p, "chain", step < RESUME_STEPS ? step : 0);
        assert_int_equal(p.count, 1);
        assert_int_equal(p.steps[0].step, step);
        same_checkpoint(&f, "whole", "chain", step);
        same_metrics(&f, "whole", "chain", step);
    }
    same_adapters(&f, "chain");
    resume_fixture_close(&f);
}

/* The steps of an epoch after a resume in its midst are those that were left: no pair twice, none left out. Every pair has
 * another length, so that tokens_unshared tells a step's pairs. */
static void order_in_mid_epoch(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    run_whole(&f, &whole);
    run_well(&f, &p, "run", 27);
    size_t epoch = 0, again = 0, differ = 0;
    for (size_t i = 0; i < RESUME_EPOCH; i++)
        epoch += whole.steps[i].tokens_unshared;
    for (size_t i = RESUME_EPOCH; i < 27; i++)
        again += p.steps[i].tokens_unshared;
    run_well(&f, &p, "run", 0);
    for (size_t i = 27; i < 2 * RESUME_EPOCH; i++)
        again += p.steps[i - 27].tokens_unshared;
    assert_int_equal(again, epoch);
    for (size_t i = 27; i < RESUME_STEPS; i++) {
        assert_int_equal(p.steps[i - 27].tokens_unshared, whole.steps[i].tokens_unshared);
        differ += whole.steps[i].tokens_unshared != whole.steps[i - RESUME_EPOCH].tokens_unshared;
    }
    assert_true(differ > RESUME_EPOCH); /* else every epoch had the same order and this test could not fail */
    resume_fixture_close(&f);
}

/* A trainer that counts the steps to skip from the last resume is right once. */
static void second_resume_in_one_epoch(void **state) {
    (void)state;
    static const size_t stops[] = {22, 25, 26, 33, 0};
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    run_whole(&f, &whole);
    for (size_t i = 0, done = 0; i < sizeof stops / sizeof *stops; i++) {
        run_well(&f, &p, "run", stops[i]);
        for (size_t k = 0; k < p.count; k++)
            assert_int_equal(p.steps[k].tokens_unshared, whole.steps[done + k].tokens_unshared);
        done += p.count;
    }
    same_checkpoint(&f, "whole", "run", RESUME_STEPS);
    resume_fixture_close(&f);
}

/* The last batch of an epoch has one pair instead of two; before, at and after it. */
static void short_last_batch(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    run_whole(&f, &whole);
    for (size_t stop = RESUME_EPOCH - 1; stop <= RESUME_EPOCH + 1; stop++) {
        char dir[32];
        snprintf(dir, sizeof dir, "at-%zu", stop);
        run_well(&f, &p, dir, stop);
        run_well(&f, &p, dir, RESUME_EPOCH + 2);
        for (size_t k = 0; k < p.count; k++)
            assert_int_equal(p.steps[k].tokens_unshared, whole.steps[stop + k].tokens_unshared);
        assert_true(p.steps[p.count - 1].epoch == (double)(RESUME_EPOCH + 2) / RESUME_EPOCH);
        same_checkpoint(&f, "whole", dir, RESUME_EPOCH + 2);
    }
    resume_fixture_close(&f);
}

/* In warm-up, at its end, and later. */
static void schedule_is_neither_restarted_nor_off_by_one(void **state) {
    (void)state;
    static const size_t stops[] = {1, 3, 6, 7, 30, 59};
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        char dir[32];
        snprintf(dir, sizeof dir, "at-%zu", stops[i]);
        run_well(&f, &p, dir, stops[i]);
        run_well(&f, &p, dir, 0);
        for (size_t k = 0; k < p.count; k++)
            assert_true(p.steps[k].learning_rate == cso_schedule_rate(CSO_SCHEDULE_COSINE, 5e-3, stops[i] + k, 6, RESUME_STEPS));
    }
    resume_fixture_close(&f);
}

/* What a process was given as its adapter, moments of zero and a count of no steps must not survive the resume: one step tells. */
static void moments_and_parameters_are_those_of_the_checkpoint(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t n, n_old;
    resume_fixture_open(&f);
    run_whole(&f, &p);
    run_well(&f, &p, "run", 30);
    run_well(&f, &p, "run", 31);
    same_checkpoint(&f, "whole", "run", 31);
    cso_safetensors *now = golden_safetensors(root_path(&f, "run/checkpoint-31/optimizer.safetensors"));
    cso_safetensors *old = golden_safetensors(root_path(&f, "run/checkpoint-30/optimizer.safetensors"));
    double *v = golden_doubles(now, "exp_avg_sq", &n), *v_old = golden_doubles(old, "exp_avg_sq", &n_old), sum = 0;
    assert_int_equal(n, n_old);
    for (size_t i = 0; i < n; i++) { /* beta2 = 0.999: what was there stays */
        assert_true(v[i] >= 0.998 * v_old[i]);
        sum += v_old[i];
    }
    assert_true(sum > 0);
    free(v);
    free(v_old);
    cso_safetensors_close(now);
    cso_safetensors_close(old);
    resume_fixture_close(&f);
}

/* The memory with which no tree of more than max_tokens is possible. */
static size_t memory_for(const resume_fixture *f, size_t max_tokens) {
    size_t low = 0, high = (size_t)1 << 40;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        cso_engine *engine;
        cso_error err = {0};
        golden_ok(cso_engine_create(&engine, f->ctx, f->model, CSO_COMPUTE_F32, middle, &err), &err);
        if (cso_engine_max_tokens(engine) <= max_tokens)
            low = middle;
        else
            high = middle;
        cso_engine_free(engine);
    }
    return low;
}

static size_t count_trees(const process *p) {
    size_t trees = 0;
    for (size_t i = 0; i < p->count; i++)
        trees += p->steps[i].trees;
    return trees;
}

/* Memory decides where a batch is cut into trees, and that decides last bits. A run goes on with the cuts it began with where
 * there is more memory now, and says so where there is less and it matters. */
static void memory_may_change(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    resume_fixture_open(&f);
    run_well(&f, &whole, "whole", 0);
    size_t trees = count_trees(&whole), largest = 0, plenty = f.memory;
    assert_int_equal(trees, RESUME_STEPS); /* with plenty of memory, no batch is cut */
    for (size_t i = 0; i < RESUME_STEPS; i++)
        largest = whole.steps[i].tokens > largest ? whole.steps[i].tokens : largest;
    f.memory = memory_for(&f, largest - 1);
    run_well(&f, &p, "small", 0);
    assert_true(count_trees(&p) > RESUME_STEPS);
    run_well(&f, &p, "grown", 13);
    f.memory = plenty;
    run_well(&f, &p, "grown", 0);
    assert_string_equal(p.warnings, "");
    same_checkpoint(&f, "small", "grown", RESUME_STEPS);

    run_well(&f, &p, "shrunk", 13);
    f.memory = memory_for(&f, largest); /* less than before, but no batch needs it */
    run_well(&f, &p, "shrunk", 17);
    assert_string_equal(p.warnings, "");
    f.memory = memory_for(&f, largest - 1);
    run_well(&f, &p, "shrunk", 0);
    const char *warning = strstr(p.warnings, "there is less memory than when the run began");
    assert_non_null(warning);
    assert_null(strstr(warning + 1, "there is less memory")); /* once */
    resume_fixture_close(&f);
}

/* Each of two runs has its own values of the reference where evaluation and training share the data. */
static void evaluation_on_the_training_data(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    cso_dataset eval;
    resume_fixture_open(&f);
    eval = f.eval;
    f.eval = f.data;
    run_whole(&f, &p);
    run_well(&f, &p, "run", 8);
    run_well(&f, &p, "run", 21);
    run_well(&f, &p, "run", 0);
    same_checkpoint(&f, "whole", "run", RESUME_STEPS);
    same_metrics(&f, "whole", "run", RESUME_STEPS);
    f.eval = eval;
    resume_fixture_close(&f);
}

/* A killed process has written lines of steps that no checkpoint has, the last one torn: they are written again, once. */
static void metrics_have_no_gaps_and_no_doubles(void **state) {
    (void)state;
    resume_fixture f;
    process p, whole;
    size_t size, later;
    resume_fixture_open(&f);
    run_whole(&f, &whole);
    run_well(&f, &p, "run", 23);
    char *lines = take_file(root_path(&f, "whole/metrics.jsonl"), &size);
    for (later = 0, size = 0; later < 29; size++)
        later += lines[size] == '\n';
    put_file(root_path(&f, "run/metrics.jsonl"), lines, size - 20);
    run_well(&f, &p, "run", 0);
    assert_int_equal(p.count, RESUME_STEPS - 23);
    same_metrics(&f, "whole", "run", RESUME_STEPS);
    free(lines);
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_and_resume_at_every_step),
        cmocka_unit_test(every_byte_of_the_state),
        cmocka_unit_test(every_step_in_a_process_of_its_own),
        cmocka_unit_test(order_in_mid_epoch),
        cmocka_unit_test(second_resume_in_one_epoch),
        cmocka_unit_test(short_last_batch),
        cmocka_unit_test(schedule_is_neither_restarted_nor_off_by_one),
        cmocka_unit_test(moments_and_parameters_are_those_of_the_checkpoint),
        cmocka_unit_test(memory_may_change),
        cmocka_unit_test(evaluation_on_the_training_data),
        cmocka_unit_test(metrics_have_no_gaps_and_no_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
