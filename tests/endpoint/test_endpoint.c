/* test_endpoint.c - answers of a server that misbehaves (endpoint_server.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answers(void **state) {
    (void)state;
    asker_service(&a, &server, "one");
    asker_service(&a, &server, "two");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 0), CSO_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(asker_ask(&a, 50), CSO_OK);
        expect_answers(50);
    }
    const cso_chat_answer *first = &a.answers[0]; /* "question 0", "[12345678] question 0": the server counts length / 4 + 1 */
    assert_int_equal(first->prompt_tokens, 3);
    assert_int_equal(first->completion_tokens, 6);
    assert_false(first->estimated || first->cut);
    assert_int_equal(first->tries, 1);
    assert_float_equal(first->cost, (3 * 1 + 6 * 2) / 1e6, 1e-12);
    cso_endpoint_stats s = stats();
    assert_int_equal(s.requests, 100);
    assert_int_equal(s.retries + s.running + s.waiting, 0);
    assert_true(s.prompt_tokens > 300 && s.completion_tokens > 500 && !s.cost_reached);
    assert_float_equal(s.cost, ((double)s.prompt_tokens + 2 * (double)s.completion_tokens) / 1e6, 1e-9);
    assert_true(s.unknown_cost == 0);
    assert_int_equal(server_process_stat(&server, "answered"), 100);
}

/* Questions on their way to a model that has each fault twice, all at once. */
static void each_fault_twice(void **state) {
    static const char *const faults[] = {
        "429-0",          "429-past",        "500",        "503",       "408",        "cut",   "reset", "not-json",
        "truncated-json", "deep-json",       "no-choices", "error-200", "wrong-role", "empty", "huge",  "redirect",
        "big-body",       "endless-headers", "many-values"};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char model[48];
        memset(&a, 0, sizeof a);
        snprintf(model, sizeof model, "fault:%s*2", faults[i]);
        asker_service(&a, &server, model);
        asker_open(&a);
        if (asker_ask(&a, 4) != CSO_OK)
            fail_msg("%s: %s", model, a.error.message);
        expect_answers(4);
        for (size_t k = 0; k < 4; k++)
            if (a.answers[k].tries != 3)
                fail_msg("%s: %zu tries (expected 3)", model, a.answers[k].tries);
        assert_int_equal(stats().retries, 8);
        asker_close(&a);
    }
}

/* What the last error says when a fault never ends. */
static void faults_without_end(void **state) {
    static const struct {
        const char *model, *message;
        cso_status status;
    } cases[] = {
        {"fault:500", "HTTP 500: the server says 500\\x0aand more\\x1b[31m (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:error-200", "an error under HTTP 200: overloaded (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:not-json", "response:1: ", CSO_ERR_SYSTEM},
        {"fault:deep-json", "response:1: ", CSO_ERR_SYSTEM},
        {"fault:no-choices", "the response has no choices[0].message (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:wrong-role", "the role of choices[0].message is not \"assistant\" (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:empty", "the answer is empty (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:huge", "the answer has more than 256 KiB (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:big-body", "larger than 16 MiB", CSO_ERR_SYSTEM},
        {"fault:endless-headers", "headers than 256 KiB", CSO_ERR_SYSTEM},
        {"fault:many-values", "the response has too many values (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:cut", "(after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:redirect", "HTTP 302: redirects are not followed (after 2 requests)", CSO_ERR_SYSTEM},
        {"fault:moved", "HTTP 308: redirects are not followed", CSO_ERR_USAGE},
        {"fault:400", "HTTP 400: the server says 400", CSO_ERR_SYSTEM},
        {"fault:401", "HTTP 401: the server says 401", CSO_ERR_USAGE},
        {"fault:403", "HTTP 403: the server says 403", CSO_ERR_USAGE},
        {"fault:404", "HTTP 404: the server says 404", CSO_ERR_USAGE},
        {"fault:429-quota", "HTTP 429: too many requests", CSO_ERR_SYSTEM},
        {"fault:429-huge", "Retry-After is 1e+09 s (at most 120 are waited)", CSO_ERR_SYSTEM},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long before = server_process_stat(&server, "requests");
        bool once = !strstr(cases[i].message, "(after 2") && !strstr(cases[i].message, "response:") &&
                    !strstr(cases[i].message, "KiB") && !strstr(cases[i].message, "MiB");
        cso_status status = asker_ask_one(&a, &server, cases[i].model);
        if (status != cases[i].status || a.error.status != status || !strstr(a.error.message, cases[i].message) ||
            strncmp(a.error.message, "role.judge: http://127.0.0.1:", 29))
            fail_msg("%s: status %d, \"%s\" (expected %d, \"%s\")", cases[i].model, status, a.error.message, cases[i].status,
                     cases[i].message);
        assert_int_equal(a.taken, 0);
        assert_int_equal(server_process_stat(&server, "requests") - before, once ? 1 : 2);
    }
}

static void good_answers_all_the_same(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:no-usage");
    asker_service(&a, &server, "fault:drip");
    asker_service(&a, &server, "fault:length");
    asker_service(&a, &server, "fault:slow");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 4), CSO_OK);
    expect_answers(4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a.answers[i].estimated, i == 0);
        assert_int_equal(a.answers[i].cut, i == 2);
        assert_int_equal(a.answers[i].tries, 1);
    }
    assert_int_equal(a.answers[0].prompt_tokens, 3);     /* 10 bytes */
    assert_int_equal(a.answers[0].completion_tokens, 6); /* 21 bytes */
}

static void two_hundred_with_faults(void **state) {
    (void)state;
    cso_endpoint_options *options = asker_service(&a, &server, "many");
    options->max_retries = 8;
    options->max_parallel = 32;
    asker_open(&a);
    if (asker_ask(&a, 200) != CSO_OK)
        fail_msg("%s", a.error.message);
    expect_answers(200);
    cso_endpoint_stats s = stats();
    assert_true(s.retries > 10);
    assert_int_equal(s.requests, 200 + s.retries);
    assert_int_equal(server_process_stat(&server, "answered"), 200);
    assert_int_equal(server_process_stat(&server, "repeated"), 0);
    assert_true(server_process_stat(&server, "most_at_once") <= 32);
}

static void retry_after_is_heeded(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:429-1*1");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 3), CSO_OK);
    expect_answers(3);
    assert_true(a.seconds >= 1 && a.seconds < 10);
}

/* Each service has its own limit, and questions are sent in the order in which they were asked. */
static void limits_and_order(void **state) {
    (void)state;
    asker_service(&a, &server, "one")->max_parallel = 3;
    asker_open(&a);
    if (asker_ask(&a, 12) != CSO_OK)
        fail_msg("%s", a.error.message);
    expect_answers(12);
    assert_int_equal(server_process_stat(&server, "most_at_once"), 3);
    assert_true(a.seconds > 0.39);
    asker_close(&a);

    a.services = 0;
    asker_service(&a, &server, "fault:500*1")->max_parallel = 1;
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 4), CSO_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(a.order[i], i);
    /* A pause lets the next one pass; after it the first asked comes first. */
    char *text = server_process_stats(&server);
    const char *user = strstr(text, "\"users\"");
    for (size_t i = 0; i < 20; i++) {
        static const char order[] = "01012323";
        assert_non_null(user = strstr(user, "question "));
        user += strlen("question ");
        if (i >= 12)
            assert_int_equal(*user, order[i - 12]);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(each_fault_twice),
        TEST(faults_without_end),
        TEST(good_answers_all_the_same),
        TEST_WITH(two_hundred_with_faults, setup_faults),
        TEST(retry_after_is_heeded),
        TEST_WITH(limits_and_order, setup_slow),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
