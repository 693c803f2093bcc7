/* test_dry_run.c - cso-train --dry-run tells what the run would: the same exit codes and reasons, and it changes nothing. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    char text[2048], root[512];
    if (make_test_folder(state) || !getcwd(root, sizeof root))
        return -1;
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s/tests/golden/pairs/pairs.jsonl\"]\neval = [\"%s/tests/golden/pairs/pairs.jsonl\"]\n"
             "[lora]\nrank = 4\n[train]\nmax_steps = 4\nbatch_size = 2\nschedule = \"constant\"\n"
             "[log]\neval_every_steps = 2\n[checkpoint]\ndir = \"run\"\nevery_steps = 2\n",
             root, root, root);
    save_in_folder("c.toml", text);
    return 0;
}

static run_result train(const char *more) {
    char command[1024];
    snprintf(command, sizeof command, "@cso-train -c %s/c.toml %s", test_folder, more);
    return run_program(command, NULL, 0);
}

static void train_quietly(const char *more) {
    run_result r = train(more);
    if (r.code)
        fail_msg("%d: %s", r.code, r.err);
    run_result_free(&r);
}

/* Everything in the tests' folder: names, sizes, times of contents and of names, inodes. */
static char *snapshot(void) {
    char command[256];
    snprintf(command, sizeof command, "find %s -printf '%%p %%s %%T@ %%C@ %%i\\n' | sort", test_folder);
    run_result r = run_program(command, NULL, 0);
    char *text = r.out;
    r.out = NULL;
    run_result_free(&r);
    return text;
}

/* The dry run ends with this code and reason, its output has `part` (NULL: anything), and nothing has changed. */
static void expect_dry(const char *more, int code, const char *reason, const char *part) {
    char arguments[600], *before = snapshot();
    snprintf(arguments, sizeof arguments, "--dry-run %s", more);
    run_result r = train(arguments);
    char *after = snapshot();
    if (r.code != code || !strstr(r.err, reason) || (part && !strstr(r.out, part)))
        fail_msg("%s: code %d (expected %d)\n%s\n%s", more, r.code, code, r.err, r.out);
    assert_string_equal(before, after);
    run_result_free(&r);
    free(before);
    free(after);
}

/* And the run itself fails in the same way. */
static void expect_both(const char *more, int code, const char *reason) {
    expect_dry(more, code, reason, NULL);
    run_result r = train(more);
    if (r.code != code || !strstr(r.err, reason))
        fail_msg("%s: code %d (expected %d)\n%s", more, r.code, code, r.err);
    run_result_free(&r);
}

static void times_in_plain_words(void **state) {
    (void)state;
    expect_dry("", 0, "", "\n  training, 4 steps: ");
    expect_dry("", 0, "", "\n  reference log-probabilities, once per data set: ");
    expect_dry("", 0, "", "\n  evaluation, 2 times: ");
    expect_dry("", 0, "", "\ndisk: up to 4 checkpoints of ");
    expect_dry("--set train.max_steps=1 --set data.eval=[] --set log.eval_every_steps=0", 0, "", "\ndisk: up to 1 checkpoint of ");
}

/* A run that is there: what differs, where it resumes, and how long that takes. */
static void another_run_is_there(void **state) {
    (void)state;
    train_quietly("-q");
    expect_dry("", 0, "", "\nresume: the run is complete: step 4 of 4\n");
    expect_dry("--set train.max_steps=7", 0, "", "\nresume: after step 4 of 7\n");
    expect_dry("--set train.max_steps=7", 0, "", " from here, measured on this processor\n  training, 3 steps: ");
    expect_dry("--set train.max_steps=7", 0, "", "\n  evaluation, 2 times: "); /* after steps 6 and 7 */
    expect_both("--set train.seed=7 --set train.eps=1e-7", 3,
                "train.eps is 1e-07 here and 1e-08 there, train.seed is 7 here and 42 there (expected the same, or another "
                "checkpoint.dir)\n");
    expect_both("--resume never", 2, "holds checkpoint-4 already (expected --resume auto, or another checkpoint.dir)\n");
    expect_both("--resume /tmp/no-such-checkpoint", 3, "no such checkpoint (expected a folder checkpoint-STEP)\n");
}

/* A damaged checkpoint is told of and not renamed; the one before it counts. */
static void damaged_checkpoint(void **state) {
    (void)state;
    char path[128];
    train_quietly("-q");
    snprintf(path, sizeof path, "%s/run/checkpoint-4/optimizer.safetensors", test_folder);
    assert_int_equal(truncate(path, 100), 0);
    expect_dry("", 0, "trying the one before it", "\nresume: after step 2 of 4\n");
    snprintf(path, sizeof path, "%s/run/checkpoint-2/optimizer.safetensors", test_folder);
    assert_int_equal(truncate(path, 100), 0);
    expect_dry("", 3, "damaged", NULL);
}

static void folder_is_locked(void **state) {
    (void)state;
    char path[128];
    train_quietly("-q");
    snprintf(path, sizeof path, "%s/run/.lock", test_folder);
    int lock = open(path, O_RDWR);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    expect_both("", 2, "another process is training in this folder (expected another checkpoint.dir)\n");
    close(lock);
}

static void folder_cannot_be_written(void **state) {
    (void)state;
    char path[128], more[200];
    save_in_folder("file", "x");
    snprintf(more, sizeof more, "--set checkpoint.dir=%s/file", test_folder);
    expect_both(more, 4, "");
    snprintf(more, sizeof more, "--set checkpoint.dir=%s/file/below", test_folder);
    expect_both(more, 4, "");
    snprintf(path, sizeof path, "%s/odd/config.toml", test_folder);
    assert_int_equal(cso_make_folders(path, NULL), CSO_OK);
    snprintf(more, sizeof more, "--set checkpoint.dir=%s/odd", test_folder);
    expect_both(more, 2, "config.toml: is a folder (expected a file's name)\n");
    if (!geteuid()) {
        print_message("the superuser may write everywhere: folders without permission are not tested\n");
        return;
    }
    snprintf(path, sizeof path, "%s/mine", test_folder);
    assert_int_equal(mkdir(path, 0555), 0);
    snprintf(more, sizeof more, "--set checkpoint.dir=%s/mine", test_folder);
    expect_both(more, 4, "Permission denied\n");
    snprintf(more, sizeof more, "--set checkpoint.dir=%s/mine/below", test_folder);
    expect_both(more, 4, "Permission denied\n");
}

/* What the run would keep does not fit any disk. */
static void disk_is_too_small(void **state) {
    (void)state;
    expect_dry("--set checkpoint.keep_last=2000000000 --set checkpoint.every_steps=1 --set train.max_steps=2000000000", 4,
               " free (another disk, or a lower checkpoint.keep_last)\n", "\ndisk: up to 200000000");
}

/* An evaluation record that no memory holds ends the run when it comes to it; a dry run knows. */
static void evaluation_record_is_too_long(void **state) {
    (void)state;
    char text[8192] = "{\"prompt\": \"", path[128], more[300];
    memset(text + strlen(text), 'x', 4000);
    strcat(text, "\", \"chosen\": \"Yes.\", \"rejected\": \"No.\"}\n");
    save_in_folder("long.jsonl", text);
    save_in_folder("short.jsonl", "{\"prompt\": \"Hi\", \"chosen\": \"Yes.\", \"rejected\": \"No.\"}\n");
    snprintf(path, sizeof path, "%s/long.jsonl", test_folder);
    snprintf(more, sizeof more,
             "--set data.train=%s/short.jsonl --set data.eval=%s --set data.max_length=8000 --set train.memory_gib=0.04",
             test_folder, path);
    expect_dry(more, 2, "train.memory_gib: record 1 alone needs ", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(times_in_plain_words, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(another_run_is_there, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(damaged_checkpoint, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(folder_is_locked, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(folder_cannot_be_written, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(disk_is_too_small, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(evaluation_record_is_too_long, setup, remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
