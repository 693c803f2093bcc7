/* test_log.c - output on stderr when it is a file and when it is a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes some of every kind. */
static void talk(bool quiet) {
    cso_log log;
    cso_log_init(&log, quiet);
    cso_log_live(&log, "step %d", 1);
    cso_log_line(&log, "a line %d%s", 2, "\x1b[2J\xc2\x9b");
    cso_log_live(&log, "a live line that is much longer than the terminal is wide: %s", "\xe6\x84\x9b\xe6\x84\x9b");
    cso_log_warning(&log, "careful %s", "now\x7f\n");
    cso_log_fields(&log, (const char *const[]){"step 3/9", "8 s left", "loss"}, 3);
    cso_log_live(&log, "end\xff");
    cso_log_end(&log);
    cso_log_end(&log);
}

/* Runs talk with stderr at one end, and expects `expected` at the other, in however many pieces. */
static void assert_says(int to, int from, bool quiet, const char *expected) {
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(to, STDERR_FILENO);
    talk(quiet);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    char text[1024];
    size_t used = 0;
    struct pollfd end = {.fd = from, .events = POLLIN};
    while (used < sizeof text - 1 && poll(&end, 1, used < strlen(expected) ? 5000 : 20) > 0) {
        ssize_t got = read(from, text + used, sizeof text - 1 - used);
        assert_true(got > 0);
        used += (size_t)got;
    }
    text[used] = '\0';
    assert_string_equal(text, expected);
}

static void on_a_file(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_says(ends[1], ends[0], false, "a line 2\\x1b[2J\\xc2\\x9b\nwarning: careful now\\x7f\\x0a\n");
    assert_says(ends[1], ends[0], true, "warning: careful now\\x7f\\x0a\n");
    close(ends[0]);
    close(ends[1]);
}

static void on_a_terminal(void **state) {
    (void)state;
    int master, slave;
    struct winsize size = {.ws_row = 24, .ws_col = 20};
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", "", 1); /* counts as unset */
    if (openpty(&master, &slave, NULL, NULL, &size)) {
        print_message("no pseudo-terminals here: the live line is not tested\n");
        skip();
    }
    assert_says(slave, master, false,
                "\r\033[Kstep 1\r\033[Ka line 2\\x1b[2J\\xc2\\x9b\r\n\r\033[Ka live line that is\r\033[K\033[33mwarning:\033[0m "
                "careful now\\x7f\\x0a\r\n"
                "\r\033[K\033[1mstep 3/9\033[0m  8 s left\r\033[Kend\\xff\r\n");
    setenv("NO_COLOR", "1", 1);
    assert_says(
        slave, master, false,
        "\r\033[Kstep 1\r\033[Ka line 2\\x1b[2J\\xc2\\x9b\r\n\r\033[Ka live line that is\r\033[Kwarning: careful now\\x7f\\x0a\r\n"
        "\r\033[Kstep 3/9  8 s left\r\033[Kend\\xff\r\n");
    setenv("TERM", "dumb", 1);
    assert_says(slave, master, false, "a line 2\\x1b[2J\\xc2\\x9b\r\nwarning: careful now\\x7f\\x0a\r\n");
    close(master);
    close(slave);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_a_file), cmocka_unit_test(on_a_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
