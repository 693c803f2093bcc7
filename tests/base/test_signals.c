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

static int stop_by_term(void) {
    cso_signals_install("cso-test");
    if (cso_signals_stop() != 0)
        return 10;
    raise(SIGTERM);
    return cso_signals_stop();
}

static int stop_by_hangup(void) {
    cso_signals_install("cso-test");
    raise(SIGHUP);
    return cso_signals_stop();
}

static int hangup_ignored(void) {
    signal(SIGHUP, SIG_IGN); /* nohup */
    cso_signals_install("cso-test");
    raise(SIGHUP);
    return cso_signals_stop();
}

static int interrupt_twice(void) {
    cso_signals_install("cso-test");
    raise(SIGINT);
    if (cso_signals_stop() != SIGINT)
        return 10;
    raise(SIGINT);
    return 11; /* not reached */
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

static void all(void **state) {
    (void)state;
    char text[1024];
    int status = in_child(stop_by_term, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == SIGTERM);
    status = in_child(stop_by_hangup, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == SIGHUP);
    status = in_child(hangup_ignored, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = in_child(interrupt_twice, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    status = in_child(as_if, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == SIGTERM);
    status = in_child(file_shrinks, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 4);
    assert_string_equal(text, "cso-test: a file in use was cut short or can no longer be read (bus error)\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
