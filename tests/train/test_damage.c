/* Checkpoints that are not whole, and rotation that must not take the one that is needed: failures that users of other trainers
 * met, a test for each. */
#include "resume_fixture.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* root/run with checkpoint-20 and checkpoint-30, stopped there. */
static void run_to_30(resume_fixture *f) {
    process p;
    f->config.log.eval_every_steps = 0;
    run_well(f, &p, "run", 20);
    run_well(f, &p, "run", 30);
    expect_steps(f, "run", (size_t[]){20, 30}, 2);
}

/* Goes on for a step, which must be step `next`. */
static void expect_next(resume_fixture *f, const char *dir, size_t next, process *p) {
    run_well(f, p, dir, next);
    assert_int_equal(p->count, 1);
    assert_int_equal(p->steps[0].step, next);
}

/* Whatever byte is wrong in whatever file, by one bit or by all: it is found, and a process takes the checkpoint before. */
static void every_byte_flipped(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t flipped = 0;
    resume_fixture_open(&f);
    f.lora.targets[CSO_DOWN_PROJ] = false;
    f.lora.rank = 1;
    f.config.train.schedule = CSO_SCHEDULE_CONSTANT;
    f.config.log.eval_every_steps = 0;
    run_well(&f, &p, "run", 2);
    run_well(&f, &p, "run", 3);
    f.config.train.max_steps = 2; /* nothing to do after checkpoint-2 */
    for (size_t k = 0; k < CHECKPOINT_FILES; k++) {
        size_t size;
        free(take_file(root_path(&f, "run/checkpoint-3/%s", checkpoint_files[k]), &size));
        for (size_t i = 0; i < size; i++) {
            static const unsigned char masks[] = {0x01, 0x80, 0xff};
            unsigned char mask = masks[i % 3];
            flip_byte(root_path(&f, "run/checkpoint-3/%s", checkpoint_files[k]), i, mask);
            run_process(&f, &p, "run", "auto", 0);
            const char *found = root_path(&f, "run/checkpoint-3/%s: damaged (its checksum differs); trying the one before it\n",
                                          checkpoint_files[k]);
            if (p.status != CSO_OK || !strstr(p.warnings, found) || !strstr(p.notes, "/run/checkpoint-2\n"))
                fail_msg("%s: byte %zu is wrong: %s%s%s", checkpoint_files[k], i, p.err.message, p.warnings, p.notes);
            assert_int_equal(rename(root_path(&f, "run/checkpoint-3.damaged"), root_path(&f, "run/checkpoint-3")), 0);
            flip_byte(root_path(&f, "run/checkpoint-3/%s", checkpoint_files[k]), i, mask);
            flipped++;
        }
    }
    f.config.train.max_steps = 3;
    run_process(&f, &p, "run", "auto", 0);
    assert_non_null(strstr(p.notes, "/run/checkpoint-3\n")); /* which is as it was */
    assert_string_equal(p.warnings, "");
    print_message("%zu bytes flipped\n", flipped);
    resume_fixture_close(&f);
}

/* Each file missing, empty, cut short or grown: never taken for a checkpoint. With no other there is no silent new start. */
static void files_that_are_absent_or_cut(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    run_to_30(&f);
    for (size_t k = 0; k < CHECKPOINT_FILES; k++)
        for (int how = 0; how < 4; how++) {
            size_t size;
            copy_folder(root_path(&f, "run"), root_path(&f, "copy"));
            const char *path = root_path(&f, "copy/checkpoint-30/%s", checkpoint_files[k]);
            char *bytes = take_file(path, &size);
            bytes = realloc(bytes, size + 1);
            bytes[size] = ' ';
            if (how == 0)
                assert_int_equal(unlink(path), 0);
            else
                put_file(path, bytes, how == 1 ? 0 : how == 2 ? size - 1 : size + 1);
            expect_next(&f, "copy", 21, &p);
            assert_non_null(strstr(p.warnings, checkpoint_files[k]));
            assert_true(cso_path_is_folder(root_path(&f, "copy/checkpoint-30.damaged")));
            free(bytes);
            assert_int_equal(cso_remove_tree(root_path(&f, "copy"), NULL), CSO_OK);
        }
    resume_fixture_close(&f);
}

static void optimizer_state_absent(void **state) {
    (void)state;
    resume_fixture f;
    resume_fixture_open(&f);
    run_to_30(&f);
    assert_int_equal(cso_remove_tree(root_path(&f, "run/checkpoint-20"), NULL), CSO_OK);
    assert_int_equal(unlink(root_path(&f, "run/checkpoint-30/optimizer.safetensors")), 0);
    run_refused(&f, "run", CSO_ERR_INPUT, "checkpoint-30/optimizer.safetensors", NULL);
    assert_true(cso_path_is_folder(root_path(&f, "run/checkpoint-30"))); /* nothing is renamed where nothing is whole */
    resume_fixture_close(&f);
}

/* Folders that look newer than the newest checkpoint and are none. */
static void half_written_folders(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    cso_error err = {0};
    resume_fixture_open(&f);
    run_to_30(&f);
    golden_ok(cso_make_folders(root_path(&f, "run/checkpoint-40"), &err), &err);         /* empty */
    copy_folder(root_path(&f, "run/checkpoint-30"), root_path(&f, "run/checkpoint-41")); /* adapter without state */
    assert_int_equal(unlink(root_path(&f, "run/checkpoint-41/cso_state.json")), 0);
    put_file(root_path(&f, "run/checkpoint-42"), "", 0);                                          /* a file */
    copy_folder(root_path(&f, "run/checkpoint-30"), root_path(&f, "run/checkpoint-43.99-0.tmp")); /* before its rename */
    copy_folder(root_path(&f, "run/checkpoint-30"), root_path(&f, "run/checkpoint-44.tmp"));      /* not ours */
    put_file(root_path(&f, "run/metrics.jsonl.99-12.tmp"), "{", 1);
    put_file(root_path(&f, "run/notes.1-2.tmp"), "mine", 4);
    expect_next(&f, "run", 31, &p);
    assert_non_null(strstr(p.notes, "removed 2 unfinished files or folders"));
    assert_false(cso_path_exists(root_path(&f, "run/checkpoint-43.99-0.tmp")));
    assert_false(cso_path_exists(root_path(&f, "run/metrics.jsonl.99-12.tmp")));
    assert_true(cso_path_exists(root_path(&f, "run/checkpoint-44.tmp")));
    assert_true(cso_path_exists(root_path(&f, "run/notes.1-2.tmp")));
    expect_steps(&f, "run", (size_t[]){30, 31}, 2);
    resume_fixture_close(&f);
}

/* The fixture with an adapter to save, and its moments. */
static cso_adapter *open_with_moments(resume_fixture *f, cso_adamw *adamw) {
    cso_error err = {0};
    cso_adapter *adapter = NULL;
    resume_fixture_open(f);
    golden_ok(cso_adapter_create(&adapter, f->model, &f->lora, 1, &err), &err);
    cso_trainables trained = cso_adapter_trainables(adapter);
    golden_ok(cso_adamw_create(adamw, &trained, 0.9, 0.999, 1e-8, 0, &err), &err);
    return adapter;
}

/* A folder of the step's name is there already, with other things in it: it is replaced, not added to. */
static void rename_onto_an_existing_step(void **state) {
    (void)state;
    resume_fixture f;
    cso_adamw adamw;
    cso_error err = {0};
    cso_identity identity = {0};
    cso_log_history history = {0};
    cso_adapter *adapter = open_with_moments(&f, &adamw);
    for (size_t position = 0; position < 3; position++) {
        cso_train_state in = {.step = 5, .position = position}, out;
        bool damaged;
        golden_ok(cso_make_folders(root_path(&f, "run"), &err), &err);
        const cso_checkpoint checkpoint = {&in, &identity, adapter, &adamw, &history, {.logging_steps = 1}};
        golden_ok(cso_checkpoint_write(root_path(&f, "run"), &checkpoint, NULL, &err), &err);
        const char *path = root_path(&f, "run/checkpoint-5");
        golden_ok(cso_checkpoint_read(path, &identity, &adamw, &out, &history, &damaged, &err), &err);
        assert_int_equal(out.position, position);
        assert_false(cso_path_exists(root_path(&f, "run/checkpoint-5/extra")));
        put_file(root_path(&f, "run/checkpoint-5/extra"), "x", 1);
    }
    expect_steps(&f, "run", (size_t[]){5}, 1);
    cso_adapter_free(adapter);
    cso_adamw_free(&adamw);
    resume_fixture_close(&f);
}

/* Moments that no run has, though the checksums are right: refused by name, and nothing is taken over. */
static void moments_that_are_no_numbers(void **state) {
    (void)state;
    static const struct {
        bool second;
        float value;
        const char *message;
    } cases[] = {
        {false, NAN, "optimizer.safetensors: exp_avg: value 3 is nan (expected a finite number)"},
        {false, -INFINITY, "optimizer.safetensors: exp_avg: value 3 is -inf (expected a finite number)"},
        {true, INFINITY, "optimizer.safetensors: exp_avg_sq: value 3 is inf (expected a finite number of at least 0)"},
        {true, -1, "optimizer.safetensors: exp_avg_sq: value 3 is -1 (expected a finite number of at least 0)"},
    };
    resume_fixture f;
    cso_adamw adamw;
    cso_error err = {0};
    cso_identity identity = {0};
    cso_log_history history = {0};
    cso_adapter *adapter = open_with_moments(&f, &adamw);
    golden_ok(cso_make_folders(root_path(&f, "run"), &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_train_state in = {.step = 5}, out = {.step = 77};
        bool damaged;
        float *moments = cases[i].second ? adamw.v : adamw.m;
        moments[3] = cases[i].value;
        const cso_checkpoint checkpoint = {&in, &identity, adapter, &adamw, &history, {.logging_steps = 1}};
        golden_ok(cso_checkpoint_write(root_path(&f, "run"), &checkpoint, NULL, &err), &err);
        moments[3] = 0;
        assert_int_equal(cso_checkpoint_read(root_path(&f, "run/checkpoint-5"), &identity, &adamw, &out, &history, &damaged, &err),
                         CSO_ERR_INPUT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s", err.message);
        assert_true(moments[3] == 0);
        assert_int_equal(out.step, 77);
    }
    cso_adapter_free(adapter);
    cso_adamw_free(&adamw);
    resume_fixture_close(&f);
}

/* Damaged checkpoints count for nothing in rotation: with keep_last = 1 the newest by number would be one of them. */
static void rotation_keeps_the_last_healthy_one(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    run_to_30(&f);
    f.config.checkpoint.keep_last = 1;
    flip_byte(root_path(&f, "run/checkpoint-30/optimizer.safetensors"), 100, 1);
    expect_next(&f, "run", 21, &p);
    assert_non_null(strstr(p.warnings, "checkpoint-30 is now called checkpoint-30.damaged"));
    expect_steps(&f, "run", (size_t[]){20, 21}, 2); /* no step has tried the newest one's parameters yet */
    expect_next(&f, "run", 22, &p);
    expect_steps(&f, "run", (size_t[]){21, 22}, 2);
    assert_string_equal(p.warnings, "");
    resume_fixture_close(&f);
}

/* Thousands of histories of saves, evaluations and settings: the newest, the best and the keep_last last are there, no others. */
static void rotation_in_random_histories(void **state) {
    (void)state;
    resume_fixture f;
    unsigned random = 12345;
    cso_error err = {0};
    resume_fixture_open(&f);
    for (size_t history = 0; history < 3000; history++) {
        char dir[80];
        size_t saved[12], n = 0, best = 0, step = 0;
        snprintf(dir, sizeof dir, "%s/h", f.root);
        for (size_t i = 0; i < 12; i++) {
            step += 1 + rand_r(&random) % 9;
            size_t keep = rand_r(&random) % 4;
            golden_ok(cso_make_folders(root_path(&f, "h/checkpoint-%zu", step), &err), &err);
            if (rand_r(&random) % 3 == 0)
                best = step;
            else if (rand_r(&random) % 9 == 0)
                best = 0;                          /* keep_best was switched off */
            bool newer = rand_r(&random) % 5 == 0; /* what is beyond this run's past neither goes nor counts */
            if (newer)
                golden_ok(cso_make_folders(root_path(&f, "h/checkpoint-%zu", step + 50), &err), &err);
            golden_ok(cso_checkpoint_rotate(dir, step, keep, best, &err), &err);
            saved[n++] = step;
            keep = keep ? keep : 1;
            size_t kept = 0;
            for (size_t k = 0; k < n; k++)
                if (k + keep >= n || saved[k] == best)
                    saved[kept++] = saved[k];
            n = kept;
            if (newer) {
                saved[n] = step + 50;
                expect_steps(&f, "h", saved, n + 1);
                golden_ok(cso_remove_tree(root_path(&f, "h/checkpoint-%zu", step + 50), &err), &err);
            }
            expect_steps(&f, "h", saved, n);
        }
        golden_ok(cso_remove_tree(dir, &err), &err);
    }
    resume_fixture_close(&f);
}

/* The best by evaluation loss stays to the end of a run whose loss rises again, over processes. */
static void rotation_keeps_the_best(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t best_step = 0, done = 0;
    double best = 1e9;
    resume_fixture_open(&f);
    f.config.log.eval_every_steps = 4;
    f.config.checkpoint.every_steps = 3;
    f.config.checkpoint.keep_last = 1;
    for (size_t i = 0; i < f.eval.count; i++) { /* the other way round than in training: what is learned makes it worse */
        cso_example_sequence *pair = f.eval.sequences + f.eval.examples[i].first, chosen = pair[0];
        pair[0] = pair[1];
        pair[1] = chosen;
    }
    for (size_t stop = 10; done < RESUME_STEPS; stop += 10) {
        run_well(&f, &p, "run", stop < RESUME_STEPS ? stop : 0);
        for (size_t i = 0; i < p.count; i++)
            if (p.steps[i].evaluated && p.steps[i].eval_metrics[0] < best) {
                best = p.steps[i].eval_metrics[0];
                best_step = p.steps[i].step;
            }
        done += p.count;
        assert_true(best_step > 0);
        /* Where no evaluation has tried the newest one's parameters, the one before it is kept, too. */
        size_t steps[3], n = 0, before = (done - 1) / 3 * 3;
        if (best_step < done)
            steps[n++] = best_step;
        if (done % 4 != 0 && before > best_step)
            steps[n++] = before;
        steps[n++] = done;
        expect_steps(&f, "run", steps, n);
    }
    assert_true(best_step < RESUME_STEPS); /* else there was nothing to keep */
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_flipped),
        cmocka_unit_test(files_that_are_absent_or_cut),
        cmocka_unit_test(optimizer_state_absent),
        cmocka_unit_test(half_written_folders),
        cmocka_unit_test(moments_that_are_no_numbers),
        cmocka_unit_test(rename_onto_an_existing_step),
        cmocka_unit_test(rotation_keeps_the_last_healthy_one),
        cmocka_unit_test(rotation_in_random_histories),
        cmocka_unit_test(rotation_keeps_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
