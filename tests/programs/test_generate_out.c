/* test_generate_out.c - cso-generate --out: a file that a killed run left is gone on with, and other files are refused. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/qwen2-tiny" /* its replies do not end by themselves */
enum { ROWS = 120, FIRST_TOKENS = 3000, TOKENS = 40 };

static char *text_of(const char *name, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(in_folder(name), 1 << 28, &text, size, &err), &err);
    return text;
}

static run_result run(const char *rows, const char *out, const char *options) {
    char command[1024];
    snprintf(command, sizeof command, "@cso-generate -m " MODEL " -t 1 -f %s --out %s %s", in_folder(rows), in_folder(out),
             options);
    return run_program(command, NULL, 0);
}

static void expect(const char *rows, const char *out, const char *options, int code, const char *message) {
    run_result r = run(rows, out, options);
    if (r.code != code || !strstr(r.err, message))
        fail_msg("%s %s: exit code %d, %s", rows, options, r.code, r.err);
    run_result_free(&r);
}

/* The first row takes longer than all others together: these wait for it. */
static void save_rows(const char *name, const char *content, int count) {
    static char text[ROWS * 128];
    text[0] = '\0';
    for (int i = 0; i < count; i++)
        sprintf(text + strlen(text), "{\"prompt\": \"%s %d\", \"max_tokens\": %d, \"temperature\": 1, \"seed\": 7}\n", content, i,
                i ? TOKENS : FIRST_TOKENS);
    save_in_folder(name, text);
}

static int setup(void **state) {
    if (make_test_folder(state))
        return -1;
    save_rows("rows.jsonl", "Hello", ROWS);
    expect("rows.jsonl", "whole.jsonl", "", 0, "");
    return 0;
}

static void expect_whole(const char *name) {
    size_t size, whole_size;
    char *text = text_of(name, &size), *whole = text_of("whole.jsonl", &whole_size);
    assert_int_equal(size, whole_size);
    assert_memory_equal(text, whole, size);
    free(text);
    free(whole);
}

static pid_t start(const char *rows, const char *out) {
    char program[512], rows_path[256], out_path[256];
    snprintf(program, sizeof program, "%s/cso-generate", CSO_BINARIES);
    snprintf(rows_path, sizeof rows_path, "%s", in_folder(rows));
    snprintf(out_path, sizeof out_path, "%s", in_folder(out));
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDERR_FILENO);
        execl(program, "cso-generate", "-m", MODEL, "-t", "1", "-f", rows_path, "--out", out_path, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int end(pid_t child, int number) {
    int status;
    kill(child, number);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static size_t count_lines(const char *name) {
    size_t size, lines = 0;
    char *text = text_of(name, &size);
    for (const char *c = text; (c = strchr(c, '\n')); c++)
        lines++;
    free(text);
    return lines;
}

/* What waits for the first reply is written when a signal ends the run, and the next run puts it in order. */
static void stopped_and_resumed(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        char name[32];
        int number = i ? SIGINT : SIGTERM;
        snprintf(name, sizeof name, "stopped%d.jsonl", i);
        pid_t child = start("rows.jsonl", name);
        for (int wait = 0; wait < 2000 && !cso_path_exists(in_folder(name)); wait++)
            usleep(5000);
        usleep(150000);
        int code = end(child, number);
        if (code && code != 128 + number)
            fail_msg("exit code %d", code);
        size_t lines = count_lines(name), size;
        char *text = text_of(name, &size);
        if (code) { /* the first reply is not there, others are */
            assert_true(lines < ROWS);
            assert_true(lines == 0 || !strstr(text, "{\"index\": 0,"));
        }
        free(text);
        expect("rows.jsonl", name, "--leaves 3", 0, "");
        expect_whole(name);
    }
}

static void killed_and_resumed(void **state) {
    (void)state;
    save_rows("many.jsonl", "Hi", ROWS);
    expect("many.jsonl", "all.jsonl", "", 0, "");
    for (int i = 0; i < 3; i++) {
        pid_t child = start("many.jsonl", "killed.jsonl");
        usleep(100000 + (useconds_t)i * 50000);
        end(child, SIGKILL);
    }
    expect("many.jsonl", "killed.jsonl", "", 0, "");
    size_t size, all_size;
    char *text = text_of("killed.jsonl", &size), *all = text_of("all.jsonl", &all_size);
    assert_int_equal(size, all_size);
    assert_memory_equal(text, all, size);
    free(text);
    free(all);
}

/* The file's beginning, up to a byte of its line `lines`, as a kill or a full disk leaves it. */
static void save_beginning(const char *name, size_t lines, size_t bytes) {
    size_t size;
    char *text = text_of("whole.jsonl", &size), *at = text;
    while (lines--)
        at = strchr(at, '\n') + 1;
    at[bytes] = '\0';
    save_in_folder(name, text);
    free(text);
}

static void torn_line(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 90; bytes += 30) {
        save_beginning("torn.jsonl", 5, bytes);
        expect("rows.jsonl", "torn.jsonl", "", 0, "");
        expect_whole("torn.jsonl");
    }
}

/* Lines that are there are neither made again nor changed: here one has another text. */
static void kept_lines(void **state) {
    (void)state;
    size_t size;
    save_beginning("kept.jsonl", 3, 0);
    char *text = text_of("kept.jsonl", &size), *own = strstr(strchr(text, '\n'), "\"text\": \"") + 9;
    memcpy(own, "MINE", 4);
    save_in_folder("kept.jsonl", text);
    expect("rows.jsonl", "kept.jsonl", "", 0, "");
    char *after = text_of("kept.jsonl", &size);
    assert_memory_equal(text, after, strlen(text));
    assert_int_equal(count_lines("kept.jsonl"), ROWS);
    free(text);
    free(after);
}

static void expect_unchanged(const char *name, const char *text) {
    size_t size;
    char *after = text_of(name, &size);
    assert_string_equal(text, after);
    free(after);
}

static void other_runs_are_refused(void **state) {
    (void)state;
    size_t size;
    char options[256], *whole = text_of("whole.jsonl", &size);
    save_in_folder("out.jsonl", whole);
    expect("rows.jsonl", "out.jsonl", "--compute exact", 2, "out.jsonl:1: this reply was made with another model or --compute");
    expect("rows.jsonl", "out.jsonl", "--adapter tests/golden/adapters/qwen2-tiny/r4", 2,
           "out.jsonl:1: this reply was made with another adapter");
    expect("rows.jsonl", "out.jsonl", "--top-k 5", 2, "out.jsonl:1: this reply was made with other options");
    snprintf(options, sizeof options, "--system-prompt %s", in_folder("system.txt"));
    save_in_folder("system.txt", "Be kind.");
    expect("rows.jsonl", "out.jsonl", options, 2, "out.jsonl:1: this reply was made with another prompt");
    save_rows("others.jsonl", "Other", ROWS);
    expect("others.jsonl", "out.jsonl", "", 2, "out.jsonl:1: this reply was made with another prompt");
    save_rows("fewer.jsonl", "Hello", 4);
    expect("fewer.jsonl", "out.jsonl", "", 2, "out.jsonl:5: reply 0 to prompt 4 is not one of this run's");
    expect_unchanged("out.jsonl", whole);
    free(whole);
    save_in_folder("notes.txt", "Not\nreplies.\n");
    expect("rows.jsonl", "notes.txt", "", 3, "notes.txt:1: ");
    expect_unchanged("notes.txt", "Not\nreplies.\n");
    save_in_folder("word.txt", "word");
    expect("rows.jsonl", "word.txt", "", 3, "word.txt: not a file of replies");
    expect_unchanged("word.txt", "word");
    save_in_folder("list.jsonl", "{\"index\": 0}\n");
    expect("rows.jsonl", "list.jsonl", "", 3, "list.jsonl:1: from is missing");
}

static void one_writer_and_full_disks(void **state) {
    (void)state;
    save_in_folder("locked.jsonl", "");
    int file = open(in_folder("locked.jsonl"), O_RDWR);
    assert_int_equal(flock(file, LOCK_EX), 0);
    expect("rows.jsonl", "locked.jsonl", "", 2, "locked.jsonl: another process is writing replies to it");
    close(file);
    char command[512];
    snprintf(command, sizeof command, "@cso-generate -m " MODEL " -t 1 -n 2 --prompt Hello --out /dev/full");
    run_result r = run_program(command, NULL, 0);
    assert_int_equal(r.code, 4);
    assert_non_null(strstr(r.err, "/dev/full: cannot write"));
    run_result_free(&r);
    snprintf(command, sizeof command, "@cso-generate -m " MODEL " -t 1 -n 2 --prompt Hello --out %s", test_folder);
    r = run_program(command, NULL, 0);
    assert_int_equal(r.code, 4);
    run_result_free(&r);
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* a shell ignores it in what it runs in the background */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_and_resumed),
        cmocka_unit_test(killed_and_resumed),
        cmocka_unit_test(torn_line),
        cmocka_unit_test(kept_lines),
        cmocka_unit_test(other_runs_are_refused),
        cmocka_unit_test(one_writer_and_full_disks),
    };
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}
