/* test_signals.c - each case in its own process, which may die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], output + used, room - 1 - used)) > 0)
        used += (size_t)got;
    output[used] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
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
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
