/* test_faults.c - runs and saves in which system calls fail: each in turn, for a while, or from then on. */
#include "../faults.h"
#include "resume_fixture.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 6 };

/* A run of 6 steps that saves after 2, 4 and 6. */
static void open_fixture(resume_fixture *f) {
    resume_fixture_open(f);
    f->config.train.max_steps = STEPS;
    f->config.checkpoint.every_steps = 2;
    f->config.log.eval_every_steps = 0;
}

static size_t faulty_from, faulty_to; /* from the save of the first step to before that of the second, calls fail */
static fault how;
static void in_some_steps(cso_adapter *adapter, const cso_step_report *report) {
    (void)adapter;
    if (report->step == faulty_from)
        fault_io_begin(how);
    if (report->step == faulty_to)
        fault_io_end();
}

static void expect_metrics(const resume_fixture *f, const char *dir) {
    same_metrics(f, "good", dir, STEPS);
}

/* Whatever call of a run fails, once or from then on: the run ends well, or with CSO_ERR_SYSTEM and one line; what has a final
 * name is whole; nothing is left over; and the next process makes of it the run that was not disturbed. */
static void each_call(void **state) {
    (void)state;
    static const int errors[] = {ENOSPC, EIO, FAULT_SHORT};
    const unsigned no_remove = (1u << CSO_IO_KINDS) - 1 - (1u << CSO_IO_REMOVE);
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.train.max_steps = 3;
    run_well(&f, &p, "good", 0);
    size_t went_on = 0, ended = 0;
    for (size_t e = 0; e < 3; e++)
        for (int forever = 0; forever < (errors[e] == ENOSPC ? 2 : 1); forever++) {
            bool failed = true;
            for (size_t at = 1; failed || (errors[e] == FAULT_SHORT && at < 150); at++) {
                fault_io_begin((fault){.at = at, .forever = forever != 0, .error = errors[e], .kinds = no_remove});
                run_process(&f, &p, "run", "auto", 0);
                failed = fault_io_end();
                assert_int_equal(fault_leftovers(f.root), 0);
                if (p.status != CSO_OK && p.status != CSO_ERR_SYSTEM)
                    fail_msg("call %zu: %d: %s", at, p.status, p.err.message);
                assert_true(p.status == CSO_OK || (failed && errors[e] != FAULT_SHORT && !strchr(p.err.message, '\n')));
                went_on += failed && p.status == CSO_OK;
                ended += p.status != CSO_OK;
                if (p.status != CSO_OK) {
                    run_well(&f, &p, "run", 0);
                    assert_int_equal(p.warnings[0], '\0'); /* no checkpoint was found to be damaged */
                }
                same_checkpoint(&f, "good", "run", 3);
                same_metrics(&f, "good", "run", 3);
                assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
            }
        }
    print_message("%zu faults did no harm, %zu ended the run, which went on in the next process\n", went_on, ended);
    assert_true(went_on > 50 && ended > 50);
    resume_fixture_close(&f);
}

/* A full disk in the middle of a run: warnings, no checkpoint, and after it all is as if nothing had been. */
static void full_disk(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    run_well(&f, &p, "good", 0);
    f.after_step = in_some_steps;
    how = (fault){.at = 1, .forever = true, .error = ENOSPC, .kinds = 1u << CSO_IO_WRITE};
    faulty_from = 3;
    faulty_to = 5;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){2, 6}, 2);
    assert_non_null(strstr(p.warnings, "run/metrics.jsonl: cannot write: No space left on device; the lines of the metrics wait"));
    assert_non_null(strstr(p.warnings, "there is no checkpoint of step 4, the run goes on"));
    assert_int_equal(fault_leftovers(f.root), 0);
    same_checkpoint(&f, "good", "run", STEPS);
    expect_metrics(&f, "run");

    /* Full at the end: an error, and what was saved before stays. */
    faulty_from = 5;
    faulty_to = 1000;
    run_process(&f, &p, "end", "auto", 0);
    fault_io_end();
    assert_int_equal(p.status, CSO_ERR_SYSTEM);
    assert_non_null(strstr(p.err.message, "cannot write: No space left on device"));
    expect_steps(&f, "end", (size_t[]){2, 4}, 2);
    assert_int_equal(fault_leftovers(f.root), 0);
    assert_false(cso_path_exists(root_path(&f, "end/adapter")));

    /* Full when a signal stops the run: the same. */
    run_process(&f, &p, "stop", "auto", 5);
    fault_io_end();
    assert_int_equal(p.status, CSO_ERR_SYSTEM);
    expect_steps(&f, "stop", (size_t[]){2, 4}, 2);
    f.after_step = NULL;
    run_well(&f, &p, "stop", 0);
    same_checkpoint(&f, "good", "stop", STEPS);
    expect_metrics(&f, "stop");
    resume_fixture_close(&f);
}

/* Checkpoints that cannot be removed are a warning, and removed by the next rotation. */
static void rotation(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.log.eval_every_steps = 0;
    f.config.train.max_steps = 10;
    f.after_step = in_some_steps;
    how = (fault){.at = 1, .forever = true, .error = EIO, .kinds = 1u << CSO_IO_REMOVE};
    faulty_from = 5;
    faulty_to = 7;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){8, 10}, 2);
    assert_non_null(strstr(p.warnings, "Input/output error"));
    run_well(&f, &p, "run", 0); /* what could not be removed at all is at the next start */
    assert_int_equal(fault_leftovers(f.root), 0);
    resume_fixture_close(&f);
}

/* The reference cache can be computed again: that it cannot be written is a warning, at the end, too. */
static char cache_path[300];
static void block_cache(cso_adapter *adapter, const cso_step_report *report) {
    (void)adapter;
    if (report->step == 1)
        put_file(cache_path, "a file", 6); /* where a folder is to be */
}
static void cache(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    run_well(&f, &p, "good", 0);
    snprintf(cache_path, sizeof cache_path, "%s", root_path(&f, "run/reference-cache"));
    f.after_step = block_cache;
    run_well(&f, &p, "run", 0);
    assert_non_null(strstr(p.warnings, "run/reference-cache: is a file (expected a folder)"));
    same_checkpoint(&f, "good", "run", STEPS);
    resume_fixture_close(&f);
}

/* The best checkpoint is the best of those that are there. */
static void the_best(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t size;
    open_fixture(&f);
    f.config.log.eval_every_steps = 2;
    f.config.checkpoint.every_steps = 0;
    f.config.train.max_steps = 4;
    f.config.train.learning_rate = 0; /* the second evaluation is not better than the first */
    f.after_step = in_some_steps;
    how = (fault){.at = 1, .forever = true, .error = ENOSPC, .kinds = 1u << CSO_IO_WRITE};
    faulty_from = 2;
    faulty_to = 3;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){4}, 1);
    char *text = take_file(root_path(&f, "run/checkpoint-4/cso_state.json"), &size);
    assert_non_null(strstr(text, "\"best_step\": 4,"));
    free(text);
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call), cmocka_unit_test(full_disk), cmocka_unit_test(rotation),
        cmocka_unit_test(cache),     cmocka_unit_test(the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
