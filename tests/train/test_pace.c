/* test_pace.c - the time left counts all that a run does, and somebody is told of it often. */
#include "train/train_plan.h"
#include "train_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { STEPS = 4 };

typedef struct heard {
    size_t events, of_pass[CSO_PASS_SAVE + 1], evaluations, layers, batches;
    double first_left, last_left, after_steps; /* seconds left: at the first event, the last, and in the last evaluation */
    double reported[STEPS];
    cso_train_progress before;
} heard;

static void on_progress(void *context, const cso_train_progress *p) {
    heard *h = context;
    if (!h->events++)
        h->first_left = p->seconds_left;
    h->last_left = p->seconds_left;
    h->of_pass[p->pass]++;
    h->evaluations += p->evaluation && !h->before.evaluation;
    if (p->evaluation && p->step == STEPS && !h->before.evaluation)
        h->after_steps = p->seconds_left;
    assert_true(p->step >= 1 && p->step <= STEPS && p->total_steps == STEPS);
    assert_true(p->part >= 0 && p->part <= 1);
    assert_true(!p->trees || p->tree <= p->trees);
    assert_true(p->layer <= p->layers);
    assert_true(isnan(p->step_seconds_left) || p->step_seconds_left >= 0);
    assert_true(isnan(p->seconds_left) || p->seconds_left >= p->step_seconds_left);
    if (p->step == h->before.step && p->evaluation == h->before.evaluation) /* never backwards */
        assert_true(p->part >= h->before.part - 1e-9 && p->tree >= h->before.tree && p->tokens >= h->before.tokens);
    h->layers = p->layers;
    h->before = *p;
}

static void on_step(void *context, const cso_step_report *report) {
    ((heard *)context)->reported[report->step - 1] = report->seconds_left;
}

static void on_stage(void *context, cso_train_stage stage, size_t done, size_t total) {
    ((heard *)context)->batches += stage == CSO_STAGE_PLAN;
    assert_true(done <= total || total == 0);
}

typedef enum planning { NOT_PLANNED, PLANNED, MEASURED } planning;

static heard train(planning how, size_t eval_every) {
    train_fixture f;
    heard h = {0};
    cso_train_plan plan;
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    f.config.train.max_steps = STEPS;
    f.config.log.eval_every_steps = eval_every;
    cso_train_job job = train_fixture_job(&f);
    job.eval = eval_every ? &f.data : NULL;
    job.observer = (cso_train_observer){.context = &h, .progress = on_progress, .step = on_step, .stage = on_stage};
    if (how != NOT_PLANNED) {
        golden_ok(cso_train_plan_make(&plan, &job, &err), &err);
        job.plan = &plan;
    }
    if (how == MEASURED)
        golden_ok(cso_train_plan_measure(&plan, &job, &err), &err);
    golden_ok(cso_train(&job, &err), &err);
    train_fixture_close(&f);
    return h;
}

/* Every layer of every pass is heard of: four steps of one tree each, an evaluation of two after the second and fourth. */
static void every_layer_is_told(void **state) {
    (void)state;
    heard h = train(PLANNED, 2);
    size_t passes = STEPS, parts = h.layers;
    assert_int_equal(h.evaluations, 2);
    assert_int_equal(h.batches, 4);
    assert_int_equal(h.layers, 4); /* with the head */
    assert_true(h.of_pass[CSO_PASS_BACKWARD] >= passes * parts);
    assert_true(h.of_pass[CSO_PASS_FORWARD] >= (passes + 4) * parts);
    assert_true(h.of_pass[CSO_PASS_REFERENCE] >= (2 + 2) * parts); /* once for each tree of the two data sets */
    assert_true(h.of_pass[CSO_PASS_SAVE] > 0);
}

static void time_left_counts_evaluations(void **state) {
    (void)state;
    for (planning how = NOT_PLANNED; how <= MEASURED; how++) {
        heard with = train(how, 2), without = train(how, 0);
        assert_true(how == MEASURED ? with.first_left > 0 : isnan(with.first_left)); /* nothing is measured yet */
        for (size_t i = 0; i + 1 < STEPS; i++)
            assert_true(with.reported[i] > 0 && without.reported[i] > 0);
        assert_true(with.reported[STEPS - 1] > 0 && with.after_steps > 0); /* the last evaluation is still to come */
        assert_true(without.reported[STEPS - 1] == 0);
        assert_true(with.last_left == 0 && without.last_left == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layer_is_told), cmocka_unit_test(time_left_counts_evaluations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
