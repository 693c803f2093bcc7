/* test_early_stop.c - a run that early stopping ends, resumed at every step, and the best checkpoint as the adapter. */
#include "resume_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EVERY = 3, PATIENCE = 4, STOP = EVERY * (PATIENCE + 1) };

/* No evaluation after the first is better by so much. */
static void open_fixture(resume_fixture *f) {
    resume_fixture_open(f);
    f->config.log.eval_every_steps = EVERY;
    f->config.train.early_stopping_patience = PATIENCE;
    f->config.train.early_stopping_min_delta = 10;
    f->config.checkpoint.every_steps = 1;
    f->config.checkpoint.keep_last = 100;
}

static void same_adapter(const resume_fixture *f, const char *one, const char *other) {
    size_t size_a, size_b;
    char *a = take_file(root_path(f, "%s/adapter_model.safetensors", one), &size_a);
    char *b = take_file(root_path(f, "%s/adapter_model.safetensors", other), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
}

static void stops_and_resumes(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    run_well(&f, &p, "whole", 0);
    assert_int_equal(p.count, STOP);
    assert_non_null(strstr(p.notes, "stopped at step 15: no better evaluation loss for 4 evaluations\n"));
    same_adapter(&f, "whole/adapter", "whole/checkpoint-15");
    for (size_t stop = 1; stop < STOP; stop++) {
        run_well(&f, &p, "run", stop);
        run_well(&f, &p, "run", 0);
        assert_int_equal(p.count, STOP - stop);
        for (size_t step = stop; step <= STOP; step++)
            same_bytes(&f, "whole", "run", step);
        same_metrics(&f, "whole", "run", STOP);
        same_adapter(&f, "whole/adapter", "run/adapter");
        assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
    }
    /* It is complete, with or without its adapter; a longer patience goes on, and none goes to the end. */
    run_well(&f, &p, "whole", 0);
    assert_int_equal(p.count, 0);
    assert_non_null(strstr(p.notes, "the run is complete: step 15 of 60, stopped early\n"));
    assert_int_equal(cso_remove_tree(root_path(&f, "whole/adapter"), NULL), CSO_OK);
    run_well(&f, &p, "whole", 0);
    same_adapter(&f, "whole/adapter", "whole/checkpoint-15");
    f.config.train.early_stopping_patience = PATIENCE + 2;
    run_well(&f, &p, "whole", 0);
    assert_int_equal(p.count, 2 * EVERY);
    f.config.train.early_stopping_patience = 0;
    run_well(&f, &p, "whole", 0);
    assert_int_equal(p.steps[p.count - 1].step, RESUME_STEPS);
    resume_fixture_close(&f);
}

/* transformers' EarlyStoppingCallback on the losses of the run: each is compared with the lowest before. */
static void as_transformers(void **state) {
    (void)state;
    resume_fixture f;
    process p, q;
    open_fixture(&f);
    f.config.train.early_stopping_patience = 0;
    f.config.train.learning_rate = 0.3; /* the loss goes up and down */
    f.config.log.eval_every_steps = 1;
    run_well(&f, &p, "free", 0);
    size_t early = 0;
    for (size_t patience = 1; patience < 6; patience++)
        for (int d = 0; d < 3; d++) {
            double delta = 0.02 * d, best = 0;
            size_t row = 0, expected = RESUME_STEPS;
            for (size_t i = 0; i < p.count && expected == RESUME_STEPS; i++) {
                double loss = p.steps[i].eval_metrics[0];
                row = !i || best - loss > delta ? 0 : row + 1;
                best = !i || loss < best ? loss : best;
                expected = row >= patience ? i + 1 : expected;
            }
            early += expected < RESUME_STEPS;
            f.config.train.early_stopping_patience = patience;
            f.config.train.early_stopping_min_delta = delta;
            run_well(&f, &q, "run", 0);
            assert_int_equal(q.count, expected);
            assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
        }
    assert_true(early > 3);
    resume_fixture_close(&f);
}

static size_t best_step(const process *p) {
    size_t best = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->steps[i].evaluated && (!best || p->steps[i].eval_metrics[0] < p->steps[best - 1].eval_metrics[0]))
            best = i + 1;
    return best;
}

static void expect_in_file(const resume_fixture *f, const char *name, const char *part) {
    size_t size;
    char *text = take_file(root_path(f, "%s", name), &size);
    if (!strstr(text, part))
        fail_msg("no \"%s\" in %s:\n%s", part, name, text);
    free(text);
}

static void the_best_is_restored(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    char folder[64], text[200];
    open_fixture(&f);
    f.config.train.early_stopping_patience = 0;
    f.config.train.learning_rate = 0.3;
    f.config.checkpoint.keep_last = 1;
    f.config.checkpoint.every_steps = 5;
    f.config.checkpoint.restore_best = true;
    run_well(&f, &p, "run", 0);
    size_t best = best_step(&p);
    assert_true(best > 0 && best < RESUME_STEPS);
    snprintf(folder, sizeof folder, "run/checkpoint-%zu", best);
    same_adapter(&f, "run/adapter", folder);
    snprintf(text, sizeof text, "the adapter is that after step %zu, with the lowest evaluation loss |", best);
    expect_in_file(&f, "run/adapter/README.md", text);
    snprintf(text, sizeof text, "| `eval_loss` | %zu | ", best);
    expect_in_file(&f, "run/adapter/README.md", text);
    snprintf(text, sizeof text, "\"best_model_checkpoint\": \"checkpoint-%zu\"", best);
    expect_in_file(&f, "run/checkpoint-60/trainer_state.json", text);
    /* The last checkpoint is that of the last step: a longer run goes on from it. And once more: the same adapter. */
    run_well(&f, &p, "run", 0);
    assert_int_equal(p.count, 0);
    same_adapter(&f, "run/adapter", folder);
    f.config.checkpoint.restore_best = false;
    run_well(&f, &p, "run", 0);
    same_adapter(&f, "run/adapter", "run/checkpoint-60");
    /* A best checkpoint that is damaged or gone is no reason to take another. */
    f.config.checkpoint.restore_best = true;
    flip_byte(root_path(&f, "%s/adapter_model.safetensors", folder), 900, 1);
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_INPUT);
    assert_non_null(strstr(p.err.message, "checkpoint.restore_best: "));
    assert_int_equal(cso_remove_tree(root_path(&f, "%s", folder), NULL), CSO_OK);
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_INPUT);
    same_adapter(&f, "run/adapter", "run/checkpoint-60");
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_and_resumes),
        cmocka_unit_test(as_transformers),
        cmocka_unit_test(the_best_is_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
