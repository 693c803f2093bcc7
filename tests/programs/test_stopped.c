/* test_stopped.c - signals, closed descriptors and small limits: how each program begins and ends. */
#include "golden.h"
#include "test_folder.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"
#define PAIRS "tests/golden/pairs/pairs.jsonl"
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#ifdef SANITIZED
static const double PATIENCE = 3; /* everything takes several times as long */
#else
static const double PATIENCE = 1;
#endif

typedef struct child {
    pid_t process;
    int in; /* the end that writes to its standard input; -1: none */
} child;

/* Words are cut at blanks. Standard output and error go to DIR/out and DIR/err. prepare runs in the child. */
static child start(const char *command, void (*prepare)(void)) {
    char line[1024], *words[32], *rest = line;
    size_t count = 0;
    int ends[2];
    snprintf(line, sizeof line, "%s/%s", CSO_BINARIES, command);
    for (char *word; (word = strtok_r(count ? NULL : line, " ", &rest)) && count < 31;)
        words[count++] = word;
    words[count] = NULL;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int out = open(in_folder("out"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int err = open(in_folder("err"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    child c = {.process = fork(), .in = ends[1]};
    assert_true(c.process >= 0);
    if (!c.process) {
        dup2(ends[0], STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        if (prepare)
            prepare();
        execv(words[0], words);
        _exit(127);
    }
    close(ends[0]);
    close(out);
    close(err);
    return c;
}

/* The exit code, or 1000 + n after a death by signal n; SIGKILL comes after a minute. */
static int end(child c) {
    int status, ended = 0;
    for (double began = cso_clock(); !(ended = waitpid(c.process, &status, WNOHANG)); usleep(5000))
        if (cso_clock() - began > 60)
            kill(c.process, SIGKILL);
    assert_int_equal(ended, c.process);
    close(c.in);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Text of DIR/NAME, the caller's to free. */
static char *text_of(const char *name, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(in_folder(name), 1 << 28, &text, size, &err), &err);
    return text;
}

/* Waits until the process has a handler for the signal. */
static void await_handler(pid_t process, int number) {
    char path[64], *text;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    for (int i = 0; i < 1000; i++, usleep(10000)) {
        assert_int_equal(cso_read_file(path, 1 << 20, &text, NULL, NULL), CSO_OK);
        const char *caught = strstr(text, "SigCgt:");
        bool there = caught && strtoull(caught + 7, NULL, 16) >> (number - 1) & 1;
        free(text);
        if (there)
            return;
    }
    fail_msg("no handler for signal %d", number);
}

/* The signal, `later` seconds after the program began, ends it within a second (PATIENCE). The seconds. */
static double expect_end(const char *command, int number, double later) {
    child c = start(command, NULL);
    await_handler(c.process, number);
    usleep((useconds_t)(1e6 * later));
    double began = cso_clock();
    assert_int_equal(kill(c.process, number), 0);
    int code = end(c);
    double took = cso_clock() - began;
    if (code != 128 + number || took > PATIENCE)
        fail_msg("%s: exit code %d after %.2f s (expected %d within %g s)", command, code, took, 128 + number, PATIENCE);
    return took;
}

static void waiting_for_standard_input(void **state) {
    (void)state;
    static const char *const commands[] = {"cso-eval score -m " MODEL " -", "cso-generate -m " MODEL,
                                           "cso-data tokenize --model " MODEL " -", "cso-data stats --model " MODEL " -"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect_end(commands[i], SIGTERM, 0.3);
        expect_end(commands[i], SIGINT, 0.3);
    }
}

static void in_mid_computation(void **state) {
    (void)state;
    size_t size;
    for (int i = 0; i < 2; i++) {
        int number = i ? SIGINT : SIGTERM;
        /* its reply does not end by itself */
        expect_end("cso-generate -m tests/golden/models/qwen2-tiny -p Hello -n 100000 --threads 1", number, 0.3);
        char *text = text_of("out", &size); /* as it came, up to the signal */
        assert_true(size == 0 || text[size - 1] != '\n');
        free(text);
        expect_end("cso-bench kernels", number, 0.3);
    }
    char *text = text_of("err", &size);
    assert_string_equal(text, "cso-bench: stopped by signal 2\n");
    free(text);
}

/* A model that is half written goes away; where the disk is so slow that the time for this is over, its temporary name stays. */
static void while_writing(void **state) {
    (void)state;
    char command[300], folder[200];
    snprintf(folder, sizeof folder, "%s/models", test_folder);
    assert_int_equal(cso_make_folders(folder, NULL), CSO_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "cso-inspect --make-model llama --preset 1b -o %s/m%s", folder, i ? ".gguf" : "");
        double took = expect_end(command, SIGINT, 0.5);
        DIR *list = opendir(folder);
        for (struct dirent *entry; (entry = readdir(list));)
            if (entry->d_name[0] != '.' && (took < 0.75 || !strstr(entry->d_name, ".tmp")))
                fail_msg("%s is left", entry->d_name);
        closedir(list);
    }
}

static int closed; /* bit i: descriptor i */

static void close_some(void) {
    for (int file = 0; file < 3; file++)
        if (closed >> file & 1)
            close(file);
}

/* Messages do not go into whatever file has the descriptor. */
static void closed_descriptors(void **state) {
    (void)state;
    char text[2048], root[512], command[400];
    assert_non_null(getcwd(root, sizeof root));
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/" MODEL "\"\nchat_template = \"llama3\"\n[data]\ntrain = [\"%s/" PAIRS "\"]\n"
             "parse_special = true\n[lora]\nrank = 4\n[train]\nmax_steps = 6\nbatch_size = 8\n[checkpoint]\ndir = \"run\"\n"
             "every_steps = 1\n",
             root, root);
    cso_error err = {0};
    golden_ok(cso_save_text(in_folder("c.toml"), text, strlen(text), &err), &err);
    for (closed = 1; closed < 8; closed++) {
        size_t size, lines = 0;
        snprintf(command, sizeof command, "cso-train -c %s --set checkpoint.dir=%s/closed%d", in_folder("c.toml"), test_folder,
                 closed);
        assert_int_equal(end(start(command, close_some)), 0);
        snprintf(text, sizeof text, "closed%d/metrics.jsonl", closed);
        char *metrics = text_of(text, &size);
        for (char *line = metrics, *next; (next = strchr(line, '\n')); line = next + 1, lines++)
            if (strncmp(line, "{\"step\": ", 9) != 0 || next[-1] != '}')
                fail_msg("descriptors %d closed: %s", closed, metrics);
        assert_int_equal(lines, 6);
        free(metrics);
        snprintf(text, sizeof text, "closed%d/.lock", closed);
        free(text_of(text, &size));
        assert_int_equal(size, 0);
    }
    closed = 7;
    assert_int_equal(end(start("cso-data stats --model " MODEL " " PAIRS, close_some)), 4); /* output is not lost in silence */
    assert_int_equal(end(start("cso-eval score -m " MODEL " -", close_some)), 4);
}

static void limit(int which, rlim_t bytes) {
    const struct rlimit small = {.rlim_cur = bytes, .rlim_max = bytes};
    if (setrlimit((__rlimit_resource_t)which, &small))
        _exit(126);
}
static void small_stack(void) {
    limit(RLIMIT_STACK, 64 << 10);
}
static void small_address_space(void) {
    limit(RLIMIT_AS, 200 << 20);
}

/* Every program refuses a stack, and cso-train an address space, in which its libraries crash or try again without end. */
static void small_limits(void **state) {
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    static const char *const programs[] = {"cso-bench", "cso-data", "cso-eval", "cso-generate", "cso-inspect", "cso-train"};
    char command[64];
    size_t size;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        snprintf(command, sizeof command, "%s --version", programs[i]);
        assert_int_equal(end(start(command, small_stack)), 4);
        char *text = text_of("err", &size);
        assert_non_null(strstr(text, ": the stack is too small (expected ulimit -s of 512 or more)\n"));
        free(text);
    }
    int code = end(start("cso-train --version", small_address_space));
    char *text = text_of("err", &size);
    if (code != 4 || !strstr(text, "cso-train: OpenBLAS cannot reserve its memory"))
        fail_msg("exit code %d: %s", code, text);
    free(text);
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* a shell ignores it in what it runs in the background */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_standard_input), cmocka_unit_test(in_mid_computation), cmocka_unit_test(while_writing),
        cmocka_unit_test(closed_descriptors),         cmocka_unit_test(small_limits),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
