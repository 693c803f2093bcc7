/* test_ctrl_c.c - cso-train and whoever watches it: Ctrl-C on a terminal, a reader that goes away, a limit to the size of files. */
#include "../golden.h"
#include "../test_folder.h"

#include "base/clock.h"
#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
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

enum { MAX_OUTPUT = 1 << 16, BATCH = 16, LONG_PAIRS = 80, LONG_WORDS = 3000 };

/* Pairs in whose order the first step is short, and the second lasts a minute on two cores: it does not end while a test is in it,
 * however fast the machine. That there are more makes the start take seconds, since all are cut into tokens before. */
static bool write_long_pairs(void) {
    FILE *file = fopen(in_folder("long.jsonl"), "w");
    for (int i = 0; file && i < BATCH + LONG_PAIRS; i++) {
        fprintf(file, "{\"prompt\": \"%d", i); /* at the beginning, so that no two share it */
        for (int k = 0; i >= BATCH && k < LONG_WORDS; k++)
            fputs(" word", file);
        fputs("\", \"chosen\": \"yes\", \"rejected\": \"no\"}\n", file);
    }
    return file && fclose(file) == 0;
}

/* A model with steps of about a second, long pairs, and a configuration for this model and llama-tiny. */
static int setup(void **state) {
    char root[512], text[2048];
    cso_error err = {0};
    if (make_test_folder(state) || !getcwd(root, sizeof root))
        return -1;
    snprintf(text, sizeof text,
             "%s/cso-inspect -q --make-model llama --layers 8 --context 8192 --tokenizer tests/golden/models/llama-tiny"
             " --out %s/slow",
             CSO_BINARIES, test_folder);
    if (system(text) != 0 || !write_long_pairs())
        return -1;
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s/tests/golden/pairs/pairs.jsonl\"]\nparse_special = true\nshuffle = \"none\"\n"
             "max_length = 8192\n[lora]\nrank = 4\n[train]\nmax_steps = 100000\nbatch_size = %d\nmemory_gib = 1.0\n"
             "[checkpoint]\nevery_steps = 1\n",
             root, root, BATCH);
    return cso_save_text(in_folder("c.toml"), text, strlen(text), &err) == CSO_OK ? 0 : -1;
}

/* In the child: cso-train for DIR/NAME with two more keys. */
static void train(const char *name, const char *more, const char *most) {
    char program[512], config[300], folder[300];
    snprintf(program, sizeof program, "%s/cso-train", CSO_BINARIES);
    snprintf(config, sizeof config, "%s/c.toml", test_folder);
    snprintf(folder, sizeof folder, "checkpoint.dir=%s/%s", test_folder, name);
    execl(program, program, "-c", config, "--set", folder, "--set", more, "--set", most, (char *)NULL);
    _exit(127);
}

/* What came from the program so far. */
typedef struct heard {
    int from;
    size_t used;
    char text[MAX_OUTPUT];
} heard;

/* Reads until `part` comes, for at most that many seconds. Whether it came. */
static bool hear(heard *h, const char *part, double seconds) {
    double began = cso_clock();
    struct pollfd end = {.fd = h->from, .events = POLLIN};
    while (!strstr(h->text, part) && cso_clock() - began < seconds) {
        if (poll(&end, 1, 50) <= 0)
            continue;
        ssize_t got = read(h->from, h->text + h->used, sizeof h->text - 1 - h->used);
        if (got <= 0)
            break;
        h->used += (size_t)got;
        h->text[h->used] = '\0';
    }
    return strstr(h->text, part) != NULL;
}

static void expect(heard *h, const char *part, double seconds) {
    double began = cso_clock();
    if (!hear(h, part, seconds))
        fail_msg("after %.1f s without: %s\n%s", cso_clock() - began, part, h->text);
}

static int code_of(pid_t child, double seconds) {
    int status;
    for (double began = cso_clock(); !waitpid(child, &status, WNOHANG); usleep(5000))
        if (cso_clock() - began > seconds) {
            kill(child, SIGKILL);
            fail_msg("the process has not ended within %.0f s", seconds);
        }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The slow model with these pairs, in DIR/NAME. */
static pid_t on_a_terminal(heard *h, const char *name, const char *pairs) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    char model[300], data[300];
    snprintf(model, sizeof model, "model.path=%s/slow", test_folder);
    snprintf(data, sizeof data, "data.train=[\"%s\"]", pairs);
    h->used = 0;
    h->text[0] = '\0';
    pid_t child = forkpty(&h->from, NULL, NULL, &size);
    if (child == 0)
        train(name, model, data);
    return child;
}

/* Waits until the process handles SIGINT. */
static void await_handler(pid_t process) {
    char path[64], *text;
    bool there = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    for (double began = cso_clock(); !there && cso_clock() - began < 60; usleep(5000)) {
        assert_int_equal(cso_read_file(path, 1 << 20, &text, NULL, NULL), CSO_OK);
        const char *caught = strstr(text, "SigCgt:");
        there = caught && strtoull(caught + 7, NULL, 16) >> (SIGINT - 1) & 1;
        free(text);
    }
    assert_true(there);
}

static void press_ctrl_c(heard *h) {
    h->used = 0;
    h->text[0] = '\0';
    assert_int_equal(write(h->from, "\x03", 1), 1);
}

/* The first answers in mid step with the time that is left, the second says what is lost. */
static void ctrl_c_twice(void **state) {
    (void)state;
    static heard h;
    pid_t child = on_a_terminal(&h, "long-run", in_folder("long.jsonl"));
    if (child < 0)
        skip();
    expect(&h, "checkpoint-1 saved", 120);
    usleep(200000); /* step 2 */
    press_ctrl_c(&h);
    expect(&h, "stopping after this step (", 1);
    expect(&h, "); again: stop now and lose it", 1);
    usleep(200000);
    press_ctrl_c(&h);
    expect(&h, "cso-train: stopped by signal 2: step 2 since checkpoint-1 is lost", 1);
    assert_int_equal(code_of(child, 1), 128 + SIGINT);
    close(h.from);
}

/* The step in hand is made and saved, and no other. */
static void ctrl_c_once(void **state) {
    (void)state;
    static heard h;
    size_t step = 0, saved = 0, size, lines = 0;
    char name[64], *metrics;
    cso_error err = {0};
    pid_t child = on_a_terminal(&h, "once", "tests/golden/pairs/pairs.jsonl");
    if (child < 0)
        skip();
    expect(&h, "checkpoint-1 saved", 120);
    press_ctrl_c(&h);
    expect(&h, "stopping after this step", 1);
    expect(&h, " is saved in ", 120);
    hear(&h, "(end)", 1); /* what is not read keeps the terminal open */
    assert_int_equal(code_of(child, 10), 128 + SIGINT);
    close(h.from);

    const char *line = strstr(h.text, "cso-train: stopped by signal 2 after step ");
    if (!line ||
        sscanf(line, "cso-train: stopped by signal 2 after step %zu of 100000; checkpoint-%zu is saved in ", &step, &saved) != 2)
        fail_msg("%s", h.text);
    assert_int_equal(step, saved);
    snprintf(name, sizeof name, "once/checkpoint-%zu", step);
    assert_true(cso_path_is_folder(in_folder(name)));
    golden_ok(cso_read_file(in_folder("once/metrics.jsonl"), 1 << 20, &metrics, &size, &err), &err);
    for (size_t i = 0; i < size; i++)
        lines += metrics[i] == '\n';
    free(metrics);
    assert_int_equal(lines, step);
}

/* Before the first step nothing waits. */
static void ctrl_c_at_the_start(void **state) {
    (void)state;
    static heard h;
    pid_t child = on_a_terminal(&h, "not-begun", in_folder("long.jsonl"));
    if (child < 0)
        skip();
    await_handler(child);
    press_ctrl_c(&h);
    expect(&h, "cso-train: stopped by signal 2", 1);
    assert_int_equal(code_of(child, 1), 128 + SIGINT);
    close(h.from);
}

/* cso-train | head -1, for both streams. */
static void reader_goes_away(void **state) {
    (void)state;
    int ends[2];
    static heard h;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        train("unread", "train.max_steps=5", "log.every_steps=1");
    }
    close(ends[1]);
    h.from = ends[0];
    expect(&h, "\n", 60);
    close(ends[0]);
    assert_int_equal(code_of(child, 120), 0);
    assert_true(cso_path_exists(in_folder("unread/checkpoint-5/trainer_state.json")));
    assert_true(cso_path_exists(in_folder("unread/adapter/adapter_model.safetensors")));
}

/* A checkpoint larger than a file may be (SIGXFSZ) is a warning, and the next one is tried. */
static void limit_of_file_size(void **state) {
    (void)state;
    int ends[2];
    static heard h;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit small = {.rlim_cur = 20000, .rlim_max = RLIM_INFINITY};
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_FSIZE, &small);
        train("limited", "log.every_steps=100", "log.every_steps=100");
    }
    close(ends[1]);
    h.from = ends[0];
    expect(&h, "File too large; there is no checkpoint of step 1, the run goes on\n", 120);
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    assert_int_equal(prlimit(child, RLIMIT_FSIZE, &none, NULL), 0);
    expect(&h, " saved in ", 120);
    assert_int_equal(kill(child, SIGTERM), 0);
    expect(&h, "cso-train: stopped by signal 15 after step ", 120);
    assert_int_equal(code_of(child, 60), 128 + SIGTERM);
    close(ends[0]);
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* a shell ignores it in what it runs in the background */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctrl_c_twice),     cmocka_unit_test(ctrl_c_once),        cmocka_unit_test(ctrl_c_at_the_start),
        cmocka_unit_test(reader_goes_away), cmocka_unit_test(limit_of_file_size),
    };
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}
