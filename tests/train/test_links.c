/* Links in a run's folder, a folder that is moved away, and checkpoints that cannot be removed. */
#include "../faults.h"
#include "resume_fixture.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void open_fixture(resume_fixture *f) {
    resume_fixture_open(f);
    f->config.train.max_steps = 6;
    f->config.checkpoint.every_steps = 2;
    f->config.log.eval_every_steps = 0;
}

/* root/outside with files in it that no run may touch. */
static void make_outside(const resume_fixture *f) {
    cso_error err = {0};
    golden_ok(cso_make_folders(root_path(f, "outside/inner.1-2.tmp"), &err), &err);
    put_file(root_path(f, "outside/file.1-2.tmp"), "mine", 4);
    put_file(root_path(f, "outside/inner.1-2.tmp/file"), "mine", 4);
    put_file(root_path(f, "outside/kept"), "mine", 4);
}

static void expect_outside(const resume_fixture *f) {
    static const char *const names[] = {"file.1-2.tmp", "inner.1-2.tmp", "kept", NULL};
    cso_names found;
    cso_error err = {0};
    size_t size;
    golden_ok(cso_folder_list(root_path(f, "outside"), false, &found, &err), &err);
    for (size_t i = 0; i < found.count || names[i]; i++)
        if (i >= found.count || !names[i] || strcmp(found.items[i], names[i]) != 0)
            fail_msg("outside: %s (expected %s)", i < found.count ? found.items[i] : "nothing", names[i] ? names[i] : "nothing");
    cso_names_free(&found);
    char *text = take_file(root_path(f, "outside/kept"), &size);
    assert_string_equal(text, "mine");
    free(text);
    assert_true(cso_path_exists(root_path(f, "outside/inner.1-2.tmp/file")));
}

static void link_in_run(const resume_fixture *f, const char *to, const char *name) {
    cso_error err = {0};
    golden_ok(cso_make_folders(root_path(f, "run"), &err), &err);
    assert_int_equal(symlink(root_path(f, "%s", to), root_path(f, "run/%s", name)), 0);
}

/* A reference cache that is a link is neither read nor written nor cleaned. */
static void reference_cache(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    make_outside(&f);
    run_well(&f, &p, "good", 0);
    link_in_run(&f, "outside", "reference-cache");
    run_well(&f, &p, "run", 3);
    run_well(&f, &p, "run", 0);
    assert_non_null(strstr(p.warnings, "run/reference-cache: is a link, which is not followed"));
    expect_outside(&f);
    same_checkpoint(&f, "good", "run", 6);
    resume_fixture_close(&f);
}

/* Leftovers that are links go; what they name stays. The same for folders that a run replaces, and for old checkpoints. */
static void links_are_replaced(void **state) {
    (void)state;
    static const char *const names[] = {"checkpoint-1.9-0.tmp", "adapter.9-0.tmp", "metrics.jsonl.9-0.tmp", "adapter",
                                        "checkpoint-4",         "config.toml"};
    resume_fixture f;
    process p;
    open_fixture(&f);
    make_outside(&f);
    run_well(&f, &p, "good", 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        link_in_run(&f, !strcmp(names[i], "config.toml") ? "outside/kept" : "outside", names[i]);
    f.config.checkpoint.every_steps = 0;
    run_process(&f, &p, "run", "never", 2);
    assert_int_equal(p.status, CSO_ERR_USAGE); /* it holds a checkpoint-4 */
    assert_int_equal(unlink(root_path(&f, "run/checkpoint-4")), 0);
    run_well(&f, &p, "run", 2);
    link_in_run(&f, "outside", "checkpoint-1");
    f.config.checkpoint.every_steps = 1;
    run_well(&f, &p, "run", 0);
    assert_string_equal(p.warnings, "");
    expect_outside(&f);
    expect_steps(&f, "run", (size_t[]){5, 6}, 2);
    assert_false(cso_path_is_link(root_path(&f, "run/adapter")));
    assert_false(cso_path_is_link(root_path(&f, "run/config.toml")));
    same_bytes(&f, "run", "run", 6);
    resume_fixture_close(&f);
}

/* Files that are written in place are refused where they are links, to a file or to nothing. */
static void links_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"metrics.jsonl", ".lock"};
    static const char *const to[] = {"outside/kept", "outside/absent"};
    resume_fixture f;
    open_fixture(&f);
    make_outside(&f);
    for (size_t i = 0; i < 4; i++) {
        link_in_run(&f, to[i / 2], names[i % 2]);
        run_refused(&f, "run", CSO_ERR_USAGE, names[i % 2], "is a link (expected a file)", NULL);
        expect_outside(&f);
        assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
    }
    resume_fixture_close(&f);
}

/* checkpoint.dir itself may be a link to another disk. */
static void the_folder_is_a_link(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    cso_error err = {0};
    open_fixture(&f);
    run_well(&f, &p, "good", 0);
    golden_ok(cso_make_folders(root_path(&f, "disk"), &err), &err);
    assert_int_equal(symlink(root_path(&f, "disk"), root_path(&f, "run")), 0);
    run_well(&f, &p, "run", 3);
    run_well(&f, &p, "run", 0);
    assert_string_equal(p.warnings, "");
    assert_true(cso_path_is_link(root_path(&f, "run")));
    same_checkpoint(&f, "good", "disk", 6);
    expect_steps(&f, "disk", (size_t[]){4, 6}, 2);
    resume_fixture_close(&f);
}

static const resume_fixture *moving;
static size_t move_after;
static bool put_another;
static void move_away(cso_adapter *adapter, const cso_step_report *report) {
    (void)adapter;
    cso_error err = {0};
    if (report->step != move_after)
        return;
    assert_int_equal(rename(root_path(moving, "run"), root_path(moving, "moved")), 0);
    if (put_another)
        golden_ok(cso_make_folders(root_path(moving, "run"), &err), &err);
}

/* Moved away in mid-run, with another folder in its place or none: exit code 4, and nothing is written under the old name. */
static void moved_in_mid_run(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    run_well(&f, &p, "good", 0);
    f.after_step = move_away;
    moving = &f;
    for (move_after = 1; move_after <= 5; move_after++)
        for (int another = 0; another < 2; another++) {
            put_another = another != 0;
            f.config.checkpoint.keep_last = 1 + move_after % 2;
            run_process(&f, &p, "run", "auto", 0);
            assert_int_equal(p.status, CSO_ERR_SYSTEM);
            assert_non_null(strstr(p.err.message, "/run: is no longer the run's folder: it was moved, removed or replaced"));
            assert_int_equal(p.count, move_after); /* the step after is the last one */
            if (put_another)
                assert_int_equal(rmdir(root_path(&f, "run")), 0); /* empty */
            assert_false(cso_path_exists(root_path(&f, "run")));
            f.after_step = NULL;
            run_well(&f, &p, "moved", 0); /* goes on where it is now */
            f.after_step = move_away;
            same_checkpoint(&f, "good", "moved", 6);
            assert_int_equal(cso_remove_tree(root_path(&f, "moved"), NULL), CSO_OK);
        }
    resume_fixture_close(&f);
}

static size_t count_words(const char *text, const char *word) {
    size_t count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

static void cannot_remove(cso_adapter *adapter, const cso_step_report *report) {
    (void)adapter;
    if (report->step == 3)
        fault_io_begin((fault){.at = 1, .forever = true, .error = EPERM, .kinds = 1u << CSO_IO_REMOVE});
    if (report->step == 5)
        fault_io_end();
}

/* Rotation removes what it can and warns once. */
static void rotation_goes_on(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    cso_error err = {0};
    open_fixture(&f);
    for (size_t step = 1; step <= 6; step++)
        golden_ok(cso_make_folders(root_path(&f, "h/checkpoint-%zu", step), &err), &err);
    fault_io_begin((fault){.at = 2, .error = EPERM, .kinds = 1u << CSO_IO_RENAME});
    cso_status status = cso_checkpoint_rotate(root_path(&f, "h"), 6, 1, 0, &err);
    assert_true(fault_io_end());
    assert_int_equal(status, CSO_ERR_SYSTEM);
    assert_non_null(strstr(err.message, "checkpoint-2: cannot remove: Operation not permitted"));
    expect_steps(&f, "h", (size_t[]){2, 6}, 2);
    golden_ok(cso_checkpoint_rotate(root_path(&f, "h"), 6, 1, 0, &err), &err);
    expect_steps(&f, "h", (size_t[]){6}, 1);

    f.config.checkpoint.every_steps = 1;
    f.config.train.max_steps = 8;
    f.after_step = cannot_remove;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){7, 8}, 2);
    if (count_words(p.warnings, "old checkpoints stay until they can be removed") != 1)
        fail_msg("expected one warning: %s", p.warnings);

    /* Leftovers that cannot be removed do not keep a run from starting. */
    f.after_step = NULL;
    f.config.train.max_steps = 10;
    assert_true(fault_leftovers(f.root) > 0);
    fault_io_begin((fault){.at = 1, .forever = true, .error = EPERM, .kinds = 1u << CSO_IO_REMOVE});
    run_process(&f, &p, "run", "auto", 9);
    fault_io_end();
    assert_int_equal(p.status, CSO_STOPPED);
    assert_int_equal(p.count, 1);
    assert_non_null(strstr(p.warnings, "an unfinished file or folder of a process that was killed stays"));
    run_well(&f, &p, "run", 0);
    assert_int_equal(fault_leftovers(f.root), 0);
    resume_fixture_close(&f);
}

/* A complete run that is started again keeps what keep_last is now. */
static void complete_runs_rotate(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.checkpoint.every_steps = 1;
    f.config.checkpoint.keep_last = 5;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){2, 3, 4, 5, 6}, 5);
    f.config.checkpoint.keep_last = 3;
    run_well(&f, &p, "run", 0);
    assert_non_null(strstr(p.notes, "the run is complete"));
    expect_steps(&f, "run", (size_t[]){4, 5, 6}, 3);
    f.config.checkpoint.keep_last = 1; /* no step and no evaluation has tried the last one */
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){5, 6}, 2);
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_cache),      cmocka_unit_test(links_are_replaced), cmocka_unit_test(links_are_refused),
        cmocka_unit_test(the_folder_is_a_link), cmocka_unit_test(moved_in_mid_run),   cmocka_unit_test(rotation_goes_on),
        cmocka_unit_test(complete_runs_rotate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
