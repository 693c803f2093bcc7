/* test_watch.c - what cso-train shows on terminals of any width, on dumb ones, and where there is none. */
#include "golden.h"
#include "test_folder.h"

#include "base/file.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 6, OUTPUT = 1 << 22 };

static int setup(void **state) {
    char text[2048], root[512], path[128];
    cso_error err = {0};
    if (make_test_folder(state) || !getcwd(root, sizeof root))
        return -1;
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s/tests/golden/pairs/pairs.jsonl\"]\neval = [\"%s/tests/golden/pairs/pairs.jsonl\"]\n"
             "[lora]\nrank = 4\n[train]\nepochs = 3.0\nbatch_size = 8\n[log]\neval_every_steps = 4\n"
             "[checkpoint]\ndir = \"run\"\nevery_steps = 2\n",
             root, root, root);
    snprintf(path, sizeof path, "%s/c.toml", test_folder);
    return cso_save_text(path, text, strlen(text), &err) == CSO_OK ? 0 : -1;
}

static void run_train(const char *term, const char *no_color, char *const more[]) {
    char program[512], config[128];
    char *argv[16] = {program, (char *)"-c", config};
    size_t n = 3;
    snprintf(program, sizeof program, "%s/cso-train", CSO_BINARIES);
    snprintf(config, sizeof config, "%s/c.toml", test_folder);
    while (more && *more)
        argv[n++] = *more++;
    if (term)
        setenv("TERM", term, 1);
    else
        unsetenv("TERM");
    if (no_color)
        setenv("NO_COLOR", no_color, 1);
    else
        unsetenv("NO_COLOR");
    execv(program, argv);
    _exit(127);
}

/* Trains on a terminal of so many columns, and once `until` was seen, of `later` columns. All its output; the caller frees. */
static char *on_terminal(int columns, const char *until, int later, const char *term, const char *no_color, char *const more[]) {
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    char *text = calloc(1, OUTPUT);
    size_t used = 0;
    int master, status;
    pid_t child = forkpty(&master, NULL, NULL, &size);
    if (child < 0) {
        free(text);
        print_message("no pseudo-terminals here\n");
        skip();
    }
    if (!child)
        run_train(term, no_color, more);
    for (;;) {
        ssize_t got = read(master, text + used, OUTPUT - 1 - used);
        if (got <= 0) /* EIO: the other end is closed */
            break;
        used += (size_t)got;
        assert_true(used < OUTPUT - 1);
        if (until && strstr(text, until)) {
            size.ws_col = (unsigned short)later;
            assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
            until = NULL;
        }
    }
    close(master);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("status %d: %s", status, text);
    return text;
}

/* The next live line from *at on, without colours; NULL: there is none. */
static const char *next_live(const char **at, char line[1024]) {
    static const char CLEAR[] = "\r\033[K";
    const char *found;
    while ((found = strstr(*at, CLEAR))) {
        size_t n = 0;
        const char *c = found + strlen(CLEAR);
        while (*c && *c != '\r' && *c != '\n') {
            if (*c == '\033') {
                while (*c && *c != 'm')
                    c++;
                c++;
            } else {
                assert_true(n < 1023);
                line[n++] = *c++;
            }
        }
        line[n] = '\0';
        *at = c;
        if (n && *c != '\n' && strncmp(line, "step", 4) == 0 && !strstr(line, "evaluation: "))
            return line;
        if (n && strstr(line, "done in"))
            return line;
    }
    return NULL;
}

/* "step N/M  ... left  " or "step N/M  time left ?  ". */
static void expect_order(const char *line) {
    const char *left = strstr(line, "  ");
    if (strncmp(line, "step ", 5) != 0 || !left)
        fail_msg("%s", line);
    const char *end = strstr(left + 2, "  ");
    size_t length = end ? (size_t)(end - left - 2) : strlen(left + 2);
    if (strncmp(left + 2, "time left ?", 11) != 0 && (length < 5 || strncmp(left + 2 + length - 5, " left", 5) != 0))
        fail_msg("%s", line);
}

static void lines_fit_and_begin_with_step_and_time(void **state) {
    (void)state;
    static const int WIDTHS[] = {80, 60, 40, 2};
    for (size_t i = 0; i < sizeof WIDTHS / sizeof *WIDTHS; i++) {
        char *text = on_terminal(WIDTHS[i], NULL, 0, "xterm", NULL, (char *[]){(char *)"--resume", (char *)"never", NULL});
        char line[1024], last[1024] = "";
        const char *at = text;
        size_t lines = 0;
        for (; next_live(&at, line); lines++) {
            if (strlen(line) > (size_t)WIDTHS[i] - 1)
                fail_msg("%zu columns of %d: %s", strlen(line), WIDTHS[i], line);
            if (WIDTHS[i] >= 40)
                expect_order(line);
            if (WIDTHS[i] >= 60 && !strstr(line, "  loss "))
                fail_msg("no loss: %s", line);
            if (!lines && WIDTHS[i] >= 60) { /* from the first moment, before the plan is printed */
                assert_non_null(strstr(line, "step 0/?  time left ? (0 s)  loss -  opening the model"));
                assert_true(at < strstr(text, "model: llama"));
            }
            strcpy(last, line);
        }
        if (WIDTHS[i] >= 80)
            assert_true(lines > STEPS);
        if (WIDTHS[i] >= 80 && (strncmp(last, "step 6/6  0 s left  loss 0.", 27) != 0 || !strstr(last, "done in ")))
            fail_msg("last line: %s", last);
        free(text);
        assert_int_equal(remove_test_folder(NULL), 0);
        assert_int_equal(setup(NULL), 0);
    }
}

/* What is drawn after a resize fits the new width. */
static void resized_while_it_runs(void **state) {
    (void)state;
    char *text =
        on_terminal(120, "step 1/60", 50, "xterm", NULL,
                    (char *[]){(char *)"--set", (char *)"train.max_steps=60", (char *)"--set", (char *)"log.eval_every_steps=0",
                               (char *)"--set", (char *)"checkpoint.every_steps=0", NULL});
    char line[1024];
    const char *at = text;
    size_t wide = 0, narrow = 0;
    while (next_live(&at, line)) {
        if (strlen(line) > 49 && narrow > 3)
            fail_msg("%s", line);
        wide += strlen(line) > 49;
        narrow += strlen(line) <= 49 && strstr(line, "loss 0.") != NULL;
    }
    assert_true(wide > 0 && narrow > 3);
    free(text);
}

static void colours_and_dumb_terminals(void **state) {
    (void)state;
    char *text = on_terminal(80, NULL, 0, "xterm", NULL, NULL);
    assert_non_null(strstr(text, "\033[1mstep "));
    free(text);
    remove_test_folder(NULL), setup(NULL);
    text = on_terminal(80, NULL, 0, "xterm", "1", NULL);
    assert_non_null(strstr(text, "\033[Kstep "));
    for (const char *at = text; (at = strchr(at, '\033')); at++)
        assert_int_equal(strncmp(at, "\033[K", 3), 0);
    free(text);
    remove_test_folder(NULL), setup(NULL);
    text = on_terminal(80, NULL, 0, "dumb", NULL, NULL);
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "step 6/6  epoch 3.00  loss 0."));
    free(text);
}

/* Policy and reference are equal in the first step: no pair is wrong, whatever TRL's accuracy says. */
static void warm_up_is_no_accuracy_of_zero(void **state) {
    (void)state;
    char command[1024], path[128], *text = NULL, *metrics = NULL;
    size_t size;
    cso_error err = {0};
    snprintf(command, sizeof command, "%s/cso-train -c %s/c.toml 2> %s/err", CSO_BINARIES, test_folder, test_folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/err", test_folder);
    golden_ok(cso_read_file(path, 1 << 20, &text, &size, &err), &err);
    assert_null(strchr(text, '\r'));
    assert_null(strchr(text, '\033'));
    const char *first = strstr(text, "step 1/6  epoch 0.50  loss 0.6931  margin 0.0000  warm-up  ");
    if (!first || strstr(text, "accuracy 0.00"))
        fail_msg("%s", text);
    assert_non_null(strstr(text, "  accuracy "));
    snprintf(path, sizeof path, "%s/run/metrics.jsonl", test_folder);
    golden_ok(cso_read_file(path, 1 << 20, &metrics, &size, &err), &err);
    assert_non_null(strstr(metrics, "\"rewards/accuracies\": 0,"));
    free(metrics);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_fit_and_begin_with_step_and_time, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(resized_while_it_runs, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(colours_and_dumb_terminals, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(warm_up_is_no_accuracy_of_zero, setup, remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
