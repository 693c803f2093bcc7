/* test_signals.c - each case in its own process, which may die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/signals.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything up to the end; returns the child's wait status. */
static int hear_out(int from, pid_t child, char *output, size_t room) {
    size_t used = 0;
    ssize_t got;
    while ((got = read(from, output + used, room - 1 - used)) > 0) /* a terminal ends with EIO */
        used += (size_t)got;
    output[used] = '\0';
    close(from);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Runs body in a child whose stderr goes to output; returns its wait status. */
static int in_child(int (*body)(void), char *output, size_t room) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        dup2(ends[1], STDERR_FILENO);
        _exit(body());
    }
    close(ends[1]);
    return hear_out(ends[0], child, output, room);
}

static int ended_by_term(void) {
    cso_signals_install("cso-test");
    if (cso_signals_stop() != 0)
        return 10;
    raise(SIGTERM);
    return 11; /* not reached */
}

static int hangup_ignored(void) {
    signal(SIGHUP, SIG_IGN); /* nohup */
    cso_signals_install("cso-test");
    raise(SIGHUP);
    return cso_signals_stop();
}

static int held(void) {
    cso_signals_install("cso-test");
    cso_signals_hold();
    raise(SIGINT);
    return cso_signals_stop();
}

/* Who takes too long is ended. */
static int held_too_long(void) {
    cso_signals_install("cso-test");
    cso_signals_hold();
    raise(SIGINT);
    for (int i = 0; i < 100; i++)
        usleep(100000);
    return 11; /* not reached */
}

static int interrupt_twice(void) {
    cso_signals_install("cso-test");
    cso_signals_step(0, "step 1 is lost");
    raise(SIGINT);
    raise(SIGINT); /* at once: the same one */
    if (cso_signals_stop() != SIGINT)
        return 10;
    usleep(150000);
    cso_signals_step(190, "steps 1 to 2 are lost");
    raise(SIGINT);
    return 11; /* not reached */
}

static int terminate_twice(void) {
    cso_signals_install("cso-test");
    cso_signals_step(190, "step 1 is lost");
    raise(SIGTERM);
    usleep(150000);
    raise(SIGTERM); /* schedulers repeat it */
    raise(SIGHUP);
    return cso_signals_stop();
}

static int silent(void) {
    cso_signals_install("cso-test");
    cso_signals_be_silent();
    cso_signals_step(4000, "step 1 is lost");
    raise(SIGHUP);
    usleep(150000);
    raise(SIGINT);
    return 11; /* not reached */
}

/* The times that are told. */
static int durations(void) {
    static const double seconds[] = {0.9, 42, 59.7, 190, 3580, 4980};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        cso_signals_install("cso-test");
        cso_signals_step(seconds[i], "");
        cso_signals_raise(0);
        raise(SIGINT);
    }
    return cso_signals_stop();
}

static int file_too_large(void) {
    cso_signals_install("cso-test");
    return raise(SIGXFSZ);
}

static int as_if(void) {
    cso_signals_raise(SIGTERM);
    return cso_signals_stop();
}

static int file_shrinks(void) {
    cso_signals_install("cso-test");
    char path[] = "/tmp/cso-test-XXXXXX";
    int file = mkstemp(path);
    unlink(path);
    if (file < 0 || ftruncate(file, 4096))
        return 10;
    volatile char *data = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED || ftruncate(file, 0))
        return 11;
    return data[100] ? 12 : 13;
}

static int file_shrinks_silently(void) {
    cso_signals_be_silent();
    return file_shrinks();
}

static void expect(int (*body)(void), int code, const char *expected) {
    char text[1024];
    int status = in_child(body, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code || strcmp(text, expected))
        fail_msg("status %x (expected code %d): %sexpected: %s", (unsigned)status, code, text, expected);
}

static void all(void **state) {
    (void)state;
    expect(ended_by_term, 128 + SIGTERM, "cso-test: stopped by signal 15\n");
    expect(hangup_ignored, 0, "");
    expect(held, SIGINT, "");
    expect(held_too_long, 128 + SIGINT, "cso-test: stopped by signal 2\n");
    expect(interrupt_twice, 128 + SIGINT,
           "stopping after this step; again: stop now and lose it\n"
           "cso-test: stopped by signal 2: steps 1 to 2 are lost\n");
    expect(terminate_twice, SIGTERM, "stopping after this step (about 3 min); Ctrl-C: stop now and lose it\n");
    expect(silent, 128 + SIGINT, "");
    expect(durations, SIGINT,
           "stopping after this step (in a moment); again: stop now and lose it\n"
           "stopping after this step (about 42 s); again: stop now and lose it\n"
           "stopping after this step (about 1 min); again: stop now and lose it\n"
           "stopping after this step (about 3 min); again: stop now and lose it\n"
           "stopping after this step (about 1 h 0 min); again: stop now and lose it\n"
           "stopping after this step (about 1 h 23 min); again: stop now and lose it\n");
    expect(file_too_large, 0, "");
    expect(as_if, SIGTERM, "");
    expect(file_shrinks, 4, "cso-test: a file in use was cut short or can no longer be read (bus error)\n");
    expect(file_shrinks_silently, 4, "cso-test: a file in use was cut short or can no longer be read (bus error)\n");
}

/* A line of the terminal is replaced where the terminal can do that. */
static void terminals(void **state) {
    (void)state;
    static const struct {
        const char *type, *expected;
    } cases[] = {{"xterm", "\r\033[Kcso-test: stopped by signal 15\r\n"},
                 {"dumb", "cso-test: stopped by signal 15\r\n"},
                 {"", "cso-test: stopped by signal 15\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        int from;
        assert_int_equal(setenv("TERM", cases[i].type, 1), 0);
        pid_t child = forkpty(&from, NULL, NULL, NULL);
        if (child < 0)
            skip();
        if (!child)
            _exit(ended_by_term());
        int status = hear_out(from, child, text, sizeof text);
        assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
        assert_string_equal(text, cases[i].expected);
    }
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* ignored in what a shell runs in the background */
    signal(SIGHUP, SIG_DFL); /* and by nohup */
    const struct CMUnitTest tests[] = {cmocka_unit_test(all), cmocka_unit_test(terminals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
