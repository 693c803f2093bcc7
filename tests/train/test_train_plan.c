/* test_train_plan.c - the plan's work is what the run does, and its time is made of the measured rates. */
#include "train/train_plan.h"
#include "train_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static double flops_of(const cso_train_work *work) {
    return cso_work_flops(&work->forward) + cso_work_flops(&work->backward);
}

static cso_train_plan plan_of(const cso_train_job *job) {
    cso_train_plan plan;
    cso_error err = {0};
    golden_ok(cso_train_plan_make(&plan, job, &err), &err);
    return plan;
}

static void add_step(void *context, const cso_step_report *report) {
    *(double *)context += report->gflops * report->seconds;
}

/* Trains and gives the flops that the steps report, which have the reference's in them, but no evaluation. */
static double run(cso_train_job job) {
    double gflop = 0;
    cso_error err = {0};
    job.resume = "never";
    job.observer = (cso_train_observer){.context = &gflop, .step = add_step};
    golden_ok(cso_train(&job, &err), &err);
    return 1e9 * gflop;
}

static void expect_close(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-9 * expected))
        fail_msg("%.12g, not %.12g", value, expected);
}

/* An epoch's steps and half of the second's: what the plan says is what the run does. */
static void work_is_the_runs(void **state) {
    (void)state;
    static const cso_packing PACKINGS[] = {CSO_PACK_TREE, CSO_PACK_PAIR, CSO_PACK_NONE};
    for (size_t i = 0; i < sizeof PACKINGS / sizeof *PACKINGS; i++) {
        train_fixture f;
        train_fixture_open(&f, "r4", 0);
        f.config.data.packing = PACKINGS[i];
        f.config.train.max_steps = 3;
        cso_train_job job = train_fixture_job(&f);
        const cso_train_plan plan = plan_of(&job);
        assert_int_equal(plan.length.total_steps, 3);
        assert_true(flops_of(&plan.evaluation) == 0 && plan.evaluations == 0);
        expect_close(run(job), flops_of(&plan.steps) + flops_of(&plan.reference));
        train_fixture_close(&f);
    }
}

/* A run shorter than an epoch meets only its own batches. With little memory they are cut into more trees. */
static void short_runs_and_little_memory(void **state) {
    (void)state;
    double flops[2];
    size_t memory = 0;
    for (size_t i = 0; i < 2; i++) {
        train_fixture f;
        train_fixture_open(&f, "r4", memory);
        f.config.train.max_steps = 1;
        cso_train_job job = train_fixture_job(&f);
        const cso_train_plan plan = plan_of(&job);
        assert_true(flops_of(&plan.steps) < 0.7 * plan.epoch_flops && flops_of(&plan.steps) > 0.3 * plan.epoch_flops);
        flops[i] = flops_of(&plan.steps);
        assert_true(i ? plan.trees > 2 : plan.trees == 2);
        memory = cso_engine_bytes(f.engine, 620, 0);
        expect_close(run(job), flops[i] + flops_of(&plan.reference));
        train_fixture_close(&f);
    }
    assert_true(flops[1] > flops[0]);
}

/* What the run folder's cache has need not be computed again. Evaluations: at every second step, and after the last. */
static void cached_reference_and_evaluations(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    f.config.train.max_steps = 5;
    f.config.log.eval_every_steps = 2;
    cso_train_job job = train_fixture_job(&f);
    job.eval = &f.data;
    const cso_train_plan before = plan_of(&job);
    assert_int_equal(before.evaluations, 3);
    assert_true(flops_of(&before.reference) > 0);
    assert_true(cso_work_flops(&before.evaluation.backward) == 0);
    f.config.log.eval_every_steps = 0;
    const cso_train_plan once = plan_of(&job);
    assert_int_equal(once.evaluations, 1);
    expect_close(flops_of(&before.evaluation), 3 * flops_of(&once.evaluation));
    expect_close(flops_of(&before.reference), flops_of(&once.reference));
    run(job);
    train_fixture_restart(&f);
    job.adapter = f.adapter;
    const cso_train_plan after = plan_of(&job);
    assert_true(flops_of(&after.reference) == 0);
    expect_close(flops_of(&after.steps), flops_of(&once.steps));
    train_fixture_close(&f);
}

static void measured_time(void **state) {
    (void)state;
    train_fixture f;
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    cso_train_job job = train_fixture_job(&f);
    cso_train_plan plan = plan_of(&job);
    assert_true(cso_train_time_total(&plan.time[CSO_COMPUTE_F32]) == 0);
    golden_ok(cso_train_plan_measure(&plan, &job, &err), &err);
    const cso_train_time *time = &plan.time[CSO_COMPUTE_F32];
    assert_true(time->steps > 0 && time->reference > 0 && time->evaluation == 0);
    assert_true(isfinite(time->steps) && time->reference < time->steps);
    assert_true(plan.time[CSO_COMPUTE_BF16].steps >= 0);
    train_fixture_close(&f);
}

/* Work of each phase takes that phase's seconds, forward and backward. */
static void seconds_of_work(void **state) {
    (void)state;
    cso_train_rates rates = {0};
    cso_train_work work = {0};
    double expected = 0;
    for (int phase = 0; phase < CSO_PHASE_COUNT; phase++) {
        rates.forward.of[phase] = 1 + phase;
        rates.backward.of[phase] = 0.5 * phase;
        work.forward.of[phase] = 10 * phase;
        work.backward.of[phase] = 3;
        expected += (1 + phase) * 10 * phase + 0.5 * phase * 3;
    }
    expect_close(cso_train_seconds(&rates, &work), expected);
}

static void faster_compute(void **state) {
    (void)state;
    assert_int_equal(cso_train_faster(100, 0), CSO_COMPUTE_F32); /* no bf16 here */
    assert_int_equal(cso_train_faster(100, 160), CSO_COMPUTE_F32);
    assert_int_equal(cso_train_faster(100, 97), CSO_COMPUTE_F32); /* too little for what it costs in accuracy */
    assert_int_equal(cso_train_faster(100, 40), CSO_COMPUTE_BF16);
    assert_int_equal(cso_train_faster(0, 40), CSO_COMPUTE_BF16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_the_runs),
        cmocka_unit_test(short_runs_and_little_memory),
        cmocka_unit_test(cached_reference_and_evaluations),
        cmocka_unit_test(measured_time),
        cmocka_unit_test(seconds_of_work),
        cmocka_unit_test(faster_compute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
