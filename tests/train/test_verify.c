/* What cso-inspect --verify finds in the folder of a run: every kind of damage to every file, and none in a run that is sound. */
#include "resume_fixture.h"

#include "../faults.h"

#include "base/file.h"
#include "train/verify.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Exit code of cso-inspect --verify, and what it says. */
static int inspect(const char *path, char said[4096]) {
    char command[1024];
    snprintf(command, sizeof command, CSO_BINARIES "/cso-inspect --verify %s 2>&1", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    said[fread(said, 1, 4095, pipe)] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void expect_sound(const resume_fixture *f, const char *dir) {
    cso_verified verified = {0};
    cso_error err = {0};
    golden_ok(cso_verify_run(root_path(f, "%s", dir), &verified, &err), &err);
    if (verified.count)
        fail_msg("%s: %s", verified.damage[0].file, verified.damage[0].what);
    assert_true(verified.files >= 3); /* the checksums, config.toml, metrics.jsonl */
    cso_verified_free(&verified);
}

/* The run's folder has damage in NAME (the end of its path), found by the library and by the program. */
static void expect_damage(const resume_fixture *f, const char *what, const char *name) {
    char said[4096];
    int code = inspect(root_path(f, "copy"), said);
    if (code != 3 || !strstr(said, name) || !strstr(said, "damaged: "))
        fail_msg("%s: exit code %d (expected 3), %s is not named:\n%s", what, code, name, said);
}

/* A finished run with evaluation, checkpoints, an adapter, a reference cache. */
static void open_run(resume_fixture *f) {
    process p;
    resume_fixture_open(f);
    f->config.train.max_steps = 8;
    f->config.checkpoint.every_steps = 3;
    f->config.log.eval_every_steps = 4;
    run_well(f, &p, "run", 5);
    expect_sound(f, "run");
    run_well(f, &p, "run", 0);
    expect_sound(f, "run");
}

typedef struct list {
    char names[40][128];
    size_t count;
} list;

/* Every file of the folder, by its path in it. */
static void list_files(const char *root, const char *inside, list *files) {
    cso_names names;
    cso_error err = {0};
    char path[512], below[300];
    snprintf(path, sizeof path, "%s/%s", root, inside);
    golden_ok(cso_folder_list(path, true, &names, &err), &err);
    for (size_t i = 0; i < names.count; i++) {
        snprintf(below, sizeof below, "%s%s%s", inside, *inside ? "/" : "", names.items[i]);
        snprintf(path, sizeof path, "%s/%s", root, below);
        if (cso_path_is_folder(path)) {
            list_files(root, below, files);
        } else if (strcmp(below, ".lock") != 0) {
            assert_true(files->count < 40 && strlen(below) < 128);
            strcpy(files->names[files->count++], below);
        }
    }
    cso_names_free(&names);
}

typedef enum change { FLIP_FIRST, FLIP_MIDDLE, FLIP_LAST, CUT, EMPTY, APPEND, SPACE, REMOVE, CHANGES } change;
static const char *const change_words[] = {"first bit flipped",
                                           "a byte in the middle changed",
                                           "last byte changed",
                                           "cut by a byte",
                                           "emptied",
                                           "appended to",
                                           "a space at the end",
                                           "removed"};

static void damage_file(const char *path, change how) {
    size_t size;
    char *bytes = take_file(path, &size);
    bytes = realloc(bytes, size + 30);
    switch (how) {
    case FLIP_FIRST:
        bytes[0] ^= 1;
        break;
    case FLIP_MIDDLE:
        bytes[size / 2] ^= 0x20;
        break;
    case FLIP_LAST:
        bytes[size - 1] ^= 0x10;
        break;
    case CUT:
        size--;
        break;
    case EMPTY:
        size = 0;
        break;
    case APPEND:
        memcpy(bytes + size, "{\"step\": 999}\n", 14);
        size += 14;
        break;
    default:
        bytes[size++] = ' ';
    }
    if (how == REMOVE)
        assert_int_equal(unlink(path), 0);
    else
        put_file(path, bytes, size);
    free(bytes);
}

/* Each file changed in each way; a reference cache may be missing (it is computed again). */
static void every_file_in_every_way(void **state) {
    (void)state;
    resume_fixture f;
    list files = {0};
    size_t count = 0;
    open_run(&f);
    copy_folder(root_path(&f, "run"), root_path(&f, "copy"));
    list_files(root_path(&f, "copy"), "", &files);
    assert_true(files.count >= 18); /* 3 of the run, 3 of the adapter, 5 of each checkpoint, 2 caches */
    for (size_t i = 0; i < files.count; i++)
        for (change how = 0; how < CHANGES; how++) {
            const char *name = files.names[i];
            size_t size;
            char *bytes = take_file(root_path(&f, "copy/%s", name), &size), what[200];
            if (how == REMOVE && !strncmp(name, "reference-cache/", 16)) {
                free(bytes);
                continue;
            }
            damage_file(root_path(&f, "copy/%s", name), how);
            snprintf(what, sizeof what, "%s: %s", name, change_words[how]);
            expect_damage(&f, what, name);
            put_file(root_path(&f, "copy/%s", name), bytes, size);
            free(bytes);
            count++;
        }
    expect_sound(&f, "copy");
    print_message("%zu damages of %zu files\n", count, files.count);
    resume_fixture_close(&f);
}

static void expect_one(cso_verified *verified, cso_status status, const char *name, size_t at) {
    assert_int_equal(status, CSO_OK);
    if (verified->count != 1 || !strstr(verified->damage[0].file, name))
        fail_msg("%s: byte %zu: %zu damages", name, at, verified->count);
    cso_verified_free(verified);
}

/* Every byte of each file of a checkpoint and of the adapter, and many of the others (a run is looked at again after 20 ms). */
static void every_byte(void **state) {
    (void)state;
    resume_fixture f;
    list files = {0};
    size_t count = 0;
    open_run(&f);
    list_files(root_path(&f, "run"), "", &files);
    for (size_t i = 0; i < files.count; i++) {
        const char *name = files.names[i];
        bool adapter = !strncmp(name, "adapter/", 8), checkpoint = !strncmp(name, "checkpoint-8/", 13);
        size_t size;
        free(take_file(root_path(&f, "run/%s", name), &size));
        for (size_t at = 0; at < size; at += adapter || checkpoint ? 1 : size / 7 + 1, count++) {
            cso_verified verified = {0};
            cso_error err = {0};
            flip_byte(root_path(&f, "run/%s", name), at, (unsigned char)(1u << at % 8));
            cso_status status = adapter      ? cso_verify_adapter(root_path(&f, "run/adapter"), true, &verified, &err)
                                : checkpoint ? cso_verify_checkpoint(root_path(&f, "run/checkpoint-8"), &verified, &err)
                                             : cso_verify_run(root_path(&f, "run"), &verified, &err);
            expect_one(&verified, status, name, at);
            flip_byte(root_path(&f, "run/%s", name), at, (unsigned char)(1u << at % 8));
        }
    }
    print_message("%zu flipped bytes\n", count);
    resume_fixture_close(&f);
}

/* Files and folders that are missing as a whole, were added, or have another's name. */
static void folders(void **state) {
    (void)state;
    static const struct {
        const char *command, *name;
    } cases[] = {
        {"rm -r adapter", "adapter"},
        {"rm -r checkpoint-8", "checkpoint-8"},
        {"rm -r checkpoint-6", "checkpoint-6"},
        {"rm checkpoint-8/*", "checkpoint-8"},
        {"rm adapter/*", "adapter"},
        {"touch adapter/extra", "adapter/extra"},
        {"touch checkpoint-8/extra", "checkpoint-8/extra"},
        {"mkdir checkpoint-6/more", "checkpoint-6/more"},
        {"cp -r checkpoint-8 checkpoint-9", "checkpoint-9"},
        {"mv checkpoint-8 checkpoint-9", "checkpoint-8"},
        {"mkdir checkpoint-7", "checkpoint-7"},
        {"touch checkpoint-5", "checkpoint-5"},
        {"cp checkpoint-6/optimizer.safetensors checkpoint-8", "checkpoint-8/optimizer.safetensors"},
        {"cp checkpoint-6/cso_state.json checkpoint-8", "checkpoint-8"},
        {"rm checkpoint-8/cso_state.json checkpoint-8/adapter_config.json", "checkpoint-8/cso_state.json"},
        {"rm cso_checksums.json metrics.jsonl", "cso_checksums.json"},
        {"rm adapter/cso_checksums.json", "adapter/cso_checksums.json"},
        {"touch reference-cache/extra.bin", "reference-cache/extra.bin"},
        {"head -n 7 run.copy > metrics.jsonl", "metrics.jsonl"},
        {"tail -n 7 run.copy > metrics.jsonl", "metrics.jsonl"},
        {"printf '{\"step\": 9}' >> metrics.jsonl", "metrics.jsonl"},
        {"printf '{\"step\": 9\\n' >> metrics.jsonl", "metrics.jsonl"},
        {"printf '{\"step\": 10}\\n' >> metrics.jsonl", "metrics.jsonl"},
        {"printf '\\n' >> metrics.jsonl", "metrics.jsonl"},
    };
    resume_fixture f;
    open_run(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[1024];
        copy_folder(root_path(&f, "run"), root_path(&f, "copy"));
        snprintf(command, sizeof command, "cd %s && cp metrics.jsonl run.copy && %s", root_path(&f, "copy"), cases[i].command);
        assert_int_equal(system(command), 0);
        expect_damage(&f, cases[i].command, cases[i].name);
        assert_int_equal(cso_remove_tree(root_path(&f, "copy"), NULL), CSO_OK);
    }
    resume_fixture_close(&f);
}

/* A checkpoint or an adapter alone: the same. An adapter of another program has no checksums and is not damaged for that. */
static void parts_alone(void **state) {
    (void)state;
    static const char *const parts[] = {"checkpoint-8", "adapter", "adapter/"};
    resume_fixture f;
    char said[4096];
    open_run(&f);
    for (size_t i = 0; i < 3; i++) {
        const char *file = i ? "adapter/adapter_config.json" : "checkpoint-8/trainer_state.json";
        assert_int_equal(inspect(root_path(&f, "run/%s", parts[i]), said), 0);
        flip_byte(root_path(&f, "run/%s", file), 5, 1);
        assert_int_equal(inspect(root_path(&f, "run/%s", parts[i]), said), 3);
        assert_non_null(strstr(said, strchr(file, '/')));
        flip_byte(root_path(&f, "run/%s", file), 5, 1);
        const char *sums = i ? "run/adapter/cso_checksums.json" : "run/checkpoint-8/cso_state.json";
        assert_int_equal(rename(root_path(&f, "%s", sums), root_path(&f, "sums")), 0);
        assert_int_equal(inspect(root_path(&f, "run/%s", parts[i]), said), 3);
        assert_int_equal(rename(root_path(&f, "sums"), root_path(&f, "%s", sums)), 0);
    }
    assert_int_equal(inspect("tests/golden/adapters/llama-tiny/r4", said), 0);
    assert_non_null(strstr(said, "folders without checksums"));
    resume_fixture_close(&f);
}

static atomic_bool over;
static char watched[200];
static size_t looks;

static void *watch(void *context) {
    (void)context;
    while (!atomic_load(&over)) {
        cso_verified verified = {0};
        cso_error err = {0};
        if (cso_verify_run(watched, &verified, &err) != CSO_OK)
            return strdup(err.message);
        if (verified.count) {
            char *text = malloc(1000);
            snprintf(text, 1000, "%s: %s", verified.damage[0].file, verified.damage[0].what);
            return text;
        }
        cso_verified_free(&verified);
        looks++;
    }
    return NULL;
}

/* While a run goes on, with a save at every step, nothing is called damaged. */
static void a_run_that_goes_on(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    pthread_t thread;
    void *found;
    resume_fixture_open(&f);
    f.config.checkpoint.every_steps = 1;
    f.config.checkpoint.keep_last = 1;
    run_well(&f, &p, "run", 1);
    snprintf(watched, sizeof watched, "%s", root_path(&f, "run"));
    assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
    for (size_t stop = 5; stop <= RESUME_STEPS; stop += 5)
        run_well(&f, &p, "run", stop < RESUME_STEPS ? stop : 0);
    atomic_store(&over, true);
    assert_int_equal(pthread_join(thread, &found), 0);
    if (found)
        fail_msg("%s", (char *)found);
    print_message("looked %zu times\n", looks);
    assert_true(looks > 3);
    expect_sound(&f, "run");
    resume_fixture_close(&f);
}

/* Whatever call of a save fails for good, as if the process was killed there: what is in the folder is sound. */
static void a_run_that_was_killed(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t count = 0;
    bool failed = true;
    resume_fixture_open(&f);
    f.config.train.max_steps = 4;
    f.config.checkpoint.every_steps = 2;
    f.config.checkpoint.keep_last = 1;
    f.config.log.eval_every_steps = 0;
    for (size_t at = 1; failed; at++, count++) {
        run_well(&f, &p, "run", 1);
        fault_io_begin((fault){.at = at, .forever = true, .error = EIO});
        run_process(&f, &p, "run", "auto", 0);
        failed = fault_io_end();
        expect_sound(&f, "run");
        assert_int_equal(cso_remove_tree(root_path(&f, "run"), NULL), CSO_OK);
    }
    print_message("stopped at each of %zu calls\n", count - 1);
    assert_true(count > 100);
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_in_every_way),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(folders),
        cmocka_unit_test(parts_alone),
        cmocka_unit_test(a_run_that_goes_on),
        cmocka_unit_test(a_run_that_was_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
