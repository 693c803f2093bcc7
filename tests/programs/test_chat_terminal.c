/* test_chat_terminal.c - cso-generate --chat: what is said from a pipe, and in terminals of any width. */
#include "run_program.h"
#include "test_folder.h"

#include "base/clock.h"
#include "base/file.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#define LLAMA   "tests/golden/models/llama-tiny"
#define ENDLESS "tests/golden/models/qwen2-tiny" /* its replies do not end by themselves */

/* ---- from a pipe ---- */

static run_result say(const char *options, const char *input) {
    char command[512];
    snprintf(command, sizeof command, "@cso-generate -m " LLAMA " -t 1 -n 6 --chat %s", options);
    run_result r = run_program(command, input, strlen(input));
    if (r.code)
        fail_msg("exit code %d, %s", r.code, r.err);
    return r;
}

/* The reply to a dialogue, with its line break. The caller frees. */
static char *reply_to(const char *messages) {
    run_result r = run_program("@cso-generate -m " LLAMA " -t 1 -n 6", messages, strlen(messages));
    if (r.code)
        fail_msg("exit code %d, %s", r.code, r.err);
    free(r.err);
    return r.out;
}

/* Undone and branched dialogues are answered like the same messages from a file. */
static void dialogue_of_commands(void **state) {
    (void)state;
    char input[1024], messages[1024], *text = NULL;
    size_t size;
    snprintf(input, sizeof input, "Hi\n/undo\nHello\n/branch\nForgotten\n/branch 1\nMore\n/save %s\n/save %s\n",
             in_folder("chat.json"), in_folder("chat.json"));
    run_result r = say("", input);
    run_result_free(&r);
    assert_int_equal(cso_read_file(in_folder("chat.json"), 1 << 20, &text, &size, NULL), CSO_OK);
    const char *roles[] = {"user", "assistant", "user", "assistant"};
    const char *at = text;
    for (int i = 0; i < 4; i++) {
        assert_non_null(at = strstr(at, "\"role\": \""));
        assert_memory_equal(at += 9, roles[i], strlen(roles[i]));
    }
    assert_null(strstr(at, "\"role\""));
    assert_null(strstr(text, "\"Hi\""));
    assert_null(strstr(text, "Forgotten"));
    assert_non_null(strstr(text, "\"Hello\""));
    assert_non_null(strstr(text, "\"More\""));
    /* the last reply is that to the messages before it */
    const char *last = strstr(text, "\"More\"}") + 7, *first = strstr(text, "\"content\": ");
    assert_non_null(first);
    snprintf(messages, sizeof messages, "%.*s]", (int)(last - text), text);
    char *expected = reply_to(messages);
    snprintf(input, sizeof input, "/undo\nMore\n");
    snprintf(messages, sizeof messages, "--file %s", in_folder("chat.json"));
    r = say(messages, input);
    const char *shown = strstr(r.out, "Taken back.\n");
    assert_non_null(shown);
    size_t length = strlen(r.out), own = strlen(expected);
    assert_true(length > own && own > 1);
    free(expected);
    run_result_free(&r);
    free(text);
}

static void commands_that_are_wrong(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"/brnch\n", "Unknown command /brnch (did you mean /branch?)"},
        {"/xyzzy\n", "Unknown command /xyzzy (/help lists them)"},
        {"/branch 7\n", "There is no branch \"7\""},
        {"/undo\n", "There is nothing to take back."},
        {"/save\n", "/save needs a file's name"},
        {"/save /tmp\n", "/tmp is there already"},
        {"/save /tmp/not/there\n", "Not saved: /tmp/not/there"},
        {"/strategy Affirmation\n", "This chat has no strategies"},
        {"/help\n", "/strategy NAME  forces"},
        {"/branches\n", "* 1  0 messages\n"},
        {"/quit\n/brnch\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = say("", cases[i][0]);
        if (!strstr(r.out, cases[i][1]) || (!cases[i][1][0] && r.out[0]))
            fail_msg("%s%s", cases[i][0], r.out);
        run_result_free(&r);
    }
}

/* Eight bars that sum to about 100 %; the most probable is picked, or the one that is forced, and the reply begins with it. */
static void strategies(void **state) {
    (void)state;
    run_result r = say("--strategies esc-pro", "Hello\n/strategy share\nHello again\n/strategy s\n/strategy x\n");
    const char *forced = strstr(r.out, "The next reply will use: Share Information\n");
    assert_non_null(forced);
    const char *picked = strstr(r.out, "* ");
    assert_true(picked && picked < forced);
    char name[64];
    snprintf(name, sizeof name, "(%.*s)", (int)(strstr(picked, "  ") - picked - 2), picked + 2);
    assert_true(strstr(r.out, name) && strstr(r.out, name) < forced);
    assert_non_null(strstr(forced, "\n* Share Information "));
    assert_non_null(strstr(forced, "\n(Share Information)"));
    assert_non_null(strstr(forced, "\"x\" is not the beginning of one strategy's name"));
    int sum = 0, lines = 0;
    for (const char *line = r.out; lines < 8; line = strchr(line, '\n') + 1, lines++) {
        const char *percent = strchr(line, '%');
        assert_true(percent && percent < strchr(line, '\n'));
        sum += percent[-3] >= '0' && percent[-3] <= '9' && percent[-4] != '<' ? atoi(percent - 4) : percent[-2] - '0';
    }
    assert_true(strchr(r.out, '%') < forced);
    assert_in_range(sum, 80, 110);
    assert_null(strchr(r.out, '\033'));
    run_result_free(&r);
}

/* ---- in a terminal ---- */

typedef struct terminal {
    int file;
    pid_t child;
    char *text; /* all that was shown, without a terminal's own lines */
    size_t used, seen;
} terminal;
enum { OUTPUT = 1 << 20 };

static terminal open_terminal(int columns, char *const argv[], const char *no_colour) {
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    terminal t = {.text = calloc(1, OUTPUT)};
    char program[512];
    snprintf(program, sizeof program, "%s/cso-generate", CSO_BINARIES);
    t.child = forkpty(&t.file, NULL, NULL, &size);
    if (t.child < 0) {
        free(t.text);
        print_message("no pseudo-terminals here\n");
        skip();
    }
    if (!t.child) {
        setenv("TERM", "xterm", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        setenv("HOME", "/nonexistent", 1);
        if (no_colour)
            setenv("NO_COLOR", no_colour, 1);
        else
            unsetenv("NO_COLOR");
        execv(program, argv);
        _exit(127);
    }
    return t;
}

/* Waits until the text is shown behind what was waited for before. */
static void await(terminal *t, const char *text) {
    double began = cso_clock();
    for (;;) {
        const char *found = strstr(t->text + t->seen, text);
        if (found) {
            t->seen = (size_t)(found - t->text) + strlen(text);
            return;
        }
        struct pollfd in = {.fd = t->file, .events = POLLIN};
        ssize_t got = poll(&in, 1, 200) > 0 ? read(t->file, t->text + t->used, OUTPUT - 1 - t->used) : 0;
        if (got < 0 || cso_clock() - began > 60)
            fail_msg("\"%s\" did not come: %s", text, t->text + t->seen);
        t->used += (size_t)got;
    }
}

static void type(const terminal *t, const char *text) {
    assert_int_equal(write(t->file, text, strlen(text)), strlen(text));
}

/* The exit code. */
static int close_terminal(terminal *t) {
    char rest[4096];
    int status;
    while (read(t->file, rest, sizeof rest) > 0) /* EIO: the other end is closed */
        ;
    assert_int_equal(waitpid(t->child, &status, 0), t->child);
    close(t->file);
    free(t->text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *const CHAT[] = {(char *)"cso-generate", (char *)"-m",     (char *)ENDLESS,  (char *)"-t", (char *)"1",
                             (char *)"-n",           (char *)"200000", (char *)"--chat", NULL};

/* Ctrl-C ends a reply and keeps the chat; at the prompt it leaves. The terminal is then as before. */
static void interrupts(void **state) {
    (void)state;
    struct termios before, after;
    terminal t = open_terminal(80, CHAT, NULL);
    assert_int_equal(tcgetattr(t.file, &before), 0);
    await(&t, "you>");
    type(&t, "Hello\r");
    await(&t, "\r\n\r\n");
    await(&t, " ");
    type(&t, "\003");
    await(&t, "[stopped]\r\n");
    await(&t, "you>");
    type(&t, "/branches\r");
    await(&t, "* 1  2 messages  Hello");
    await(&t, "you>");
    type(&t, "half a line\003");
    await(&t, "stopped by signal 2");
    assert_int_equal(tcgetattr(t.file, &after), 0);
    assert_int_equal(before.c_lflag & (ECHO | ICANON), after.c_lflag & (ECHO | ICANON));
    assert_int_equal(close_terminal(&t), 130);
}

static void ends(void **state) {
    (void)state;
    static const struct {
        const char *typed;
        int number, code;
    } cases[] = {{"\004", 0, 0}, {"/quit\r", 0, 0}, {"half", SIGTERM, 143}, {"Hello\r", SIGTERM, 143}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        terminal t = open_terminal(80, CHAT, NULL);
        struct termios modes;
        await(&t, "you>");
        type(&t, cases[i].typed);
        if (cases[i].number) {
            await(&t, cases[i].typed[0] == 'H' ? "\r\n\r\n" : "half");
            assert_int_equal(kill(t.child, cases[i].number), 0);
            await(&t, "stopped by signal 15");
            assert_int_equal(tcgetattr(t.file, &modes), 0);
            assert_int_equal(modes.c_lflag & (ECHO | ICANON), ECHO | ICANON);
        }
        assert_int_equal(close_terminal(&t), cases[i].code);
    }
}

/* What a person types while a reply comes is not shown within it, and is there at the next prompt. */
static void typed_ahead(void **state) {
    (void)state;
    char *const argv[] = {(char *)"cso-generate", (char *)"-m",   (char *)ENDLESS,  (char *)"-t", (char *)"1",
                          (char *)"-n",           (char *)"1000", (char *)"--chat", NULL};
    terminal t = open_terminal(80, argv, NULL);
    await(&t, "you>");
    type(&t, "Hello\r");
    await(&t, "\r\n\r\n");
    await(&t, " ");
    type(&t, "/branches\r");
    size_t from = t.seen;
    await(&t, "you>");
    await(&t, "* 1  2 messages");
    const char *prompt = strstr(t.text + from, "you>"), *ahead = strstr(t.text + from, "/branches");
    assert_true(!ahead || ahead > prompt);
    await(&t, "you>");
    type(&t, "\004");
    assert_int_equal(close_terminal(&t), 0);
}

/* Lines of a reply fit; what a random model writes has no control characters; bold type only where it is wanted. */
static void widths_and_colours(void **state) {
    (void)state;
    static const int WIDTHS[] = {40, 80, 140};
    char *const argv[] = {
        (char *)"cso-generate", (char *)"-m",     (char *)LLAMA,          (char *)"-t",      (char *)"1", (char *)"-n",
        (char *)"150",          (char *)"--chat", (char *)"--strategies", (char *)"esc-pro", NULL};
    for (size_t i = 0; i < sizeof WIDTHS / sizeof *WIDTHS; i++) {
        terminal t = open_terminal(WIDTHS[i], argv, i ? NULL : "1");
        await(&t, "you>");
        type(&t, "Hello\r");
        await(&t, " %");
        await(&t, "(");
        size_t from = t.seen;
        await(&t, "you>");
        size_t column = 1;
        for (const char *c = t.text + from; c < t.text + t.seen - 4; c++) {
            if (*c == '\033') /* libedit's, with the prompt */
                break;
            column = *c == '\n' || *c == '\r' ? 0 : column + ((*c & 0xC0) != 0x80);
            if (column > (size_t)WIDTHS[i] || ((unsigned char)*c < ' ' && *c != '\n' && *c != '\r'))
                fail_msg("%d columns: %s", WIDTHS[i], t.text + from);
        }
        assert_true((strstr(t.text, "\033[1m") != NULL) == (i > 0));
        type(&t, "\004");
        assert_int_equal(close_terminal(&t), 0);
    }
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* a shell ignores it in what it runs in the background */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialogue_of_commands),
        cmocka_unit_test(commands_that_are_wrong),
        cmocka_unit_test(strategies),
        cmocka_unit_test(interrupts),
        cmocka_unit_test(ends),
        cmocka_unit_test(typed_ahead),
        cmocka_unit_test(widths_and_colours),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
