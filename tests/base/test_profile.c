/* test_profile.c - the phases of a profile: exclusive, owned, and adding up to the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "base/profile.h"

#include <math.h>

static const double TICK = 0.002;

static void work(double seconds) {
    for (double until = cso_clock() + seconds; cso_clock() < until;)
        ;
}

static void work_in(cso_phase phase, double seconds) {
    cso_phase interrupted = cso_profile_enter(phase);
    work(seconds);
    cso_profile_leave(interrupted);
}

/* began: p->since right after the start. */
static void expect_phases(const cso_profile *p, const double at_least[CSO_PHASE_COUNT], double began) {
    for (cso_phase phase = 0; phase < CSO_PHASE_COUNT; phase++) {
        if (!(p->seconds[phase] >= at_least[phase]) || (at_least[phase] == 0 && p->seconds[phase] != 0))
            fail_msg("%s has %g s (expected at least %g)", cso_phase_name(phase), p->seconds[phase], at_least[phase]);
    }
    /* Nothing counts twice, and nothing is lost. */
    double total = cso_profile_total(p), elapsed = p->since - began;
    if (!(fabs(total - elapsed) <= 1e-9))
        fail_msg("%.9f s in all phases of %.9f", total, elapsed);
}

static void phases_are_exclusive(void **state) {
    (void)state;
    cso_profile p = {0};
    cso_profile_start(&p);
    double began = p.since;
    work(TICK);
    cso_phase outer = cso_profile_enter(CSO_PHASE_GEMM);
    assert_int_equal(outer, CSO_PHASE_OTHER);
    work(2 * TICK);
    work_in(CSO_PHASE_DEQUANTIZE, 3 * TICK);
    cso_profile_add_flops(100);
    cso_profile_leave(outer);
    work_in(CSO_PHASE_NORMS, TICK);
    cso_profile_stop();
    const double expected[CSO_PHASE_COUNT] = {
        [CSO_PHASE_OTHER] = TICK, [CSO_PHASE_GEMM] = 2 * TICK, [CSO_PHASE_DEQUANTIZE] = 3 * TICK, [CSO_PHASE_NORMS] = TICK};
    expect_phases(&p, expected, began);
    assert_true(p.flops[CSO_PHASE_GEMM] == 100 && p.flops[CSO_PHASE_DEQUANTIZE] == 0);
    assert_int_equal(p.spans, 1);
}

static void owners_keep_what_is_within(void **state) {
    (void)state;
    static const cso_phase OWNERS[] = {CSO_PHASE_HEAD, CSO_PHASE_LORA, CSO_PHASE_ATTENTION, CSO_PHASE_OPTIMIZER};
    for (size_t i = 0; i < sizeof OWNERS / sizeof *OWNERS; i++) {
        cso_profile p = {0};
        cso_profile_start(&p);
        double began = p.since;
        cso_phase outer = cso_profile_enter(OWNERS[i]);
        cso_phase middle = cso_profile_enter(CSO_PHASE_GEMM);
        work_in(CSO_PHASE_DEQUANTIZE, TICK);
        cso_profile_add_flops(7);
        cso_profile_leave(middle);
        work_in(CSO_PHASE_NORMS, TICK);
        cso_profile_leave(outer);
        work(TICK);
        cso_profile_stop();
        double expected[CSO_PHASE_COUNT] = {[CSO_PHASE_OTHER] = TICK};
        expected[OWNERS[i]] = 2 * TICK;
        expect_phases(&p, expected, began);
        assert_true(p.flops[OWNERS[i]] == 7);
    }
}

static void spans_add_up(void **state) {
    (void)state;
    cso_profile p = {0};
    double spent = 0;
    for (int i = 0; i < 3; i++) {
        double began = cso_clock();
        cso_profile_start(&p);
        work_in(CSO_PHASE_HEAD, TICK);
        cso_profile_stop();
        spent += cso_clock() - began;
        work_in(CSO_PHASE_HEAD, TICK); /* between spans nothing counts */
        cso_profile_add_flops(1);
    }
    assert_int_equal(p.spans, 3);
    assert_true(p.seconds[CSO_PHASE_HEAD] >= 3 * TICK && cso_profile_total(&p) <= spent);
    assert_true(p.flops[CSO_PHASE_HEAD] == 0);
}

/* What fails returns without its leave: the caller's leave, or the next start, puts it right. */
static void a_failure_leaves_no_trace(void **state) {
    (void)state;
    cso_profile p = {0};
    cso_profile_start(&p);
    cso_phase outer = cso_profile_enter(CSO_PHASE_GEMM);
    cso_profile_enter(CSO_PHASE_DEQUANTIZE);
    cso_profile_leave(outer);
    assert_int_equal(p.phase, CSO_PHASE_OTHER);
    cso_profile_enter(CSO_PHASE_HEAD);
    cso_profile_stop();
    cso_profile_start(&p);
    assert_int_equal(p.phase, CSO_PHASE_OTHER);
    cso_profile_stop();
}

static void task(void *context, size_t index, int thread) {
    (void)context, (void)thread;
    work_in(index % 2 ? CSO_PHASE_NORMS : CSO_PHASE_ATTENTION, TICK / 2);
    cso_profile_add_flops(1);
}

/* Phases entered in tasks change nothing for the thread that opened the region: it is where it was, and the seconds are wall. */
static void tasks_are_wall_time(void **state) {
    (void)state;
    cso_profile p = {0};
    cso_pool *pool;
    assert_int_equal(cso_pool_create(&pool, 3, NULL), CSO_OK);
    double began = cso_clock();
    cso_profile_start(&p);
    cso_phase outer = cso_profile_enter(CSO_PHASE_HEAD);
    cso_parallel_for(pool, 12, task, NULL);
    cso_profile_leave(outer);
    cso_profile_stop();
    double elapsed = cso_clock() - began;
    assert_true(p.seconds[CSO_PHASE_HEAD] > 0 && cso_profile_total(&p) <= elapsed);
    assert_true(p.seconds[CSO_PHASE_NORMS] == 0 && p.seconds[CSO_PHASE_ATTENTION] == 0);
    cso_pool_free(pool);
}

static void dequantize_task(void *context, size_t index, int thread) {
    (void)context, (void)index, (void)thread;
    work_in(CSO_PHASE_DEQUANTIZE, TICK);
    work(TICK / 2);
}

/* A product that dequantizes in its tasks: what this thread runs of them is measured as it would be outside. */
static void tasks_of_this_thread_count(void **state) {
    (void)state;
    cso_profile p = {0};
    cso_pool *pool;
    assert_int_equal(cso_pool_create(&pool, 1, NULL), CSO_OK);
    cso_profile_start(&p);
    double began = p.since;
    cso_phase outer = cso_profile_enter(CSO_PHASE_GEMM);
    cso_parallel_for(pool, 4, dequantize_task, NULL);
    cso_profile_leave(outer);
    cso_profile_stop();
    const double expected[CSO_PHASE_COUNT] = {[CSO_PHASE_DEQUANTIZE] = 4 * TICK, [CSO_PHASE_GEMM] = 2 * TICK};
    for (cso_phase phase = 0; phase < CSO_PHASE_OTHER; phase++)
        assert_true(expected[phase] > 0 ? p.seconds[phase] >= expected[phase] : p.seconds[phase] == 0);
    assert_true(fabs(cso_profile_total(&p) - (p.since - began)) <= 1e-9);
    cso_pool_free(pool);
}

static void off_means_nothing(void **state) {
    (void)state;
    cso_profile_start(NULL);
    assert_int_equal(cso_profile_enter(CSO_PHASE_GEMM), CSO_PHASE_OTHER);
    cso_profile_add_flops(1);
    cso_profile_leave(CSO_PHASE_OTHER);
    cso_profile_stop();
}

static void names(void **state) {
    (void)state;
    static const char *const NAMES[] = {"dequantize", "gemm", "attention", "norms", "head", "lora", "optimizer", "other"};
    assert_int_equal(sizeof NAMES / sizeof *NAMES, CSO_PHASE_COUNT);
    for (cso_phase phase = 0; phase < CSO_PHASE_COUNT; phase++)
        assert_string_equal(cso_phase_name(phase), NAMES[phase]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_are_exclusive), cmocka_unit_test(owners_keep_what_is_within),
        cmocka_unit_test(spans_add_up),         cmocka_unit_test(a_failure_leaves_no_trace),
        cmocka_unit_test(tasks_are_wall_time),  cmocka_unit_test(tasks_of_this_thread_count),
        cmocka_unit_test(off_means_nothing),    cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
