/* fixture.c - see fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include <stdio.h>
#include <string.h>

server_process server;
asker a;

static server_process shared;

int setup(void **state) {
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_reset(&shared);
    server = shared;
    return 0;
}

/* For tests that drop requests, which may come when the next test runs. */
int setup_own(void **state) {
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, NULL);
    return 0;
}

int setup_faults(void **state) {
    static const char *const arguments[] = {"--faults", "all", "--rate", "0.2", "--seed", "7", NULL};
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, arguments);
    return 0;
}

int setup_slow(void **state) {
    static const char *const arguments[] = {"--delay", "0.1", NULL};
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, arguments);
    return 0;
}

int teardown(void **state) {
    (void)state;
    asker_close(&a);
    if (server.pid != shared.pid)
        server_process_end(&server);
    return 0;
}

int setup_all(void **state) {
    (void)state;
    server_process_start(&shared, NULL);
    return 0;
}

int teardown_all(void **state) {
    (void)state;
    server_process_end(&shared);
    return 0;
}

cso_endpoint_stats stats(void) {
    cso_endpoint_stats s;
    cso_endpoint_pool_stats(a.pool, &s);
    return s;
}

void expect_answers(size_t count) {
    assert_int_equal(a.taken, count);
    for (size_t i = 0; i < count; i++) {
        char expected[48];
        snprintf(expected, sizeof expected, "] question %zu", i);
        assert_non_null(a.answers[i].text);
        assert_non_null(strstr(a.answers[i].text, expected));
        assert_true(strlen(strstr(a.answers[i].text, expected)) == strlen(expected));
    }
}
