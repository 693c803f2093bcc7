/* test_endpoint.c - the pool against a server that misbehaves (endpoint_server.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "asker.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static server_process server, shared; /* shared: without options, for most tests */
static asker a;

static int setup(void **state) {
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_reset(&shared);
    server = shared;
    return 0;
}

/* For tests that drop requests, which may come when the next test runs. */
static int setup_own(void **state) {
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, NULL);
    return 0;
}

static int setup_faults(void **state) {
    static const char *const arguments[] = {"--faults", "all", "--rate", "0.2", "--seed", "7", NULL};
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, arguments);
    return 0;
}

static int setup_slow(void **state) {
    static const char *const arguments[] = {"--delay", "0.1", NULL};
    (void)state;
    memset(&a, 0, sizeof a);
    server_process_start(&server, arguments);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    asker_close(&a);
    if (server.pid != shared.pid)
        server_process_end(&server);
    return 0;
}

static int setup_all(void **state) {
    (void)state;
    server_process_start(&shared, NULL);
    return 0;
}

static int teardown_all(void **state) {
    (void)state;
    server_process_end(&shared);
    return 0;
}

static cso_endpoint_stats stats(void) {
    cso_endpoint_stats s;
    cso_endpoint_pool_stats(a.pool, &s);
    return s;
}

/* The server answers "[DIGEST] " and the question. */
static void expect_answers(size_t count) {
    assert_int_equal(a.taken, count);
    for (size_t i = 0; i < count; i++) {
        char expected[48];
        snprintf(expected, sizeof expected, "] question %zu", i);
        assert_non_null(a.answers[i].text);
        assert_non_null(strstr(a.answers[i].text, expected));
        assert_true(strlen(strstr(a.answers[i].text, expected)) == strlen(expected));
    }
}

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
    assert_int_equal(asker_ask(&a, 12), CSO_OK);
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

static double stopped_at;

/* Stops the pool when the 10 questions to the second service are answered and 4 to the first hang. */
static void *stop_soon(void *pool) {
    cso_endpoint_stats s;
    do {
        usleep(10000);
        cso_endpoint_pool_stats(pool, &s);
    } while (s.requests < 14 || s.running > 4);
    stopped_at = cso_clock();
    cso_endpoint_pool_stop(pool);
    return NULL;
}

static void stop_with_hanging_requests(void **state) {
    pthread_t thread;
    (void)state;
    asker_service(&a, &server, "fault:hang")->max_parallel = 4;
    asker_service(&a, &server, "fine");
    asker_open(&a);
    pthread_create(&thread, NULL, stop_soon, a.pool);
    assert_int_equal(asker_ask(&a, 20), CSO_STOPPED);
    pthread_join(thread, NULL);
    assert_true(cso_clock() - stopped_at < 0.5);
    assert_int_equal(a.taken, 10);
    assert_int_equal(stats().running + stats().waiting, 0);
    assert_true(stats().unknown_cost > 0);
    assert_int_equal(asker_ask(&a, 1), CSO_STOPPED);
    double closing = cso_clock();
    asker_close(&a);
    assert_true(cso_clock() - closing < 0.5);
}

static void timeout(void **state) {
    (void)state;
    static const char *const models[] = {"fault:hang", "fault:stall"};
    for (size_t i = 0; i < 2; i++) {
        memset(&a, 0, sizeof a);
        cso_endpoint_options *options = asker_service(&a, &server, models[i]);
        options->timeout_seconds = 0.3;
        options->max_retries = 1;
        asker_open(&a);
        assert_int_equal(asker_ask(&a, 1), CSO_ERR_SYSTEM);
        assert_non_null(strstr(a.error.message, "timed out"));
        assert_non_null(strstr(a.error.message, "(after 2 requests)"));
        assert_true(a.seconds > 0.59 && a.seconds < 1.9);
        assert_float_equal(stats().unknown_cost, 2 * (4 + 2 * 64) / 1e6, 1e-12);
        asker_close(&a);
    }
}

/* One question fails for good: those that run are waited for and taken, the rest is not sent. */
static void first_failure_ends_the_asking(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:slow")->max_parallel = 3;
    asker_service(&a, &server, "fault:400");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 40), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "role.seeker: "));
    assert_int_equal(a.taken, 3);
    assert_int_equal(server_process_stat(&server, "slow"), 3);
    a.services = 1; /* the pool goes on for others */
    assert_int_equal(asker_ask(&a, 2), CSO_OK);
    expect_answers(2);
}

static void the_taker_fails(void **state) {
    (void)state;
    asker_service(&a, &server, "fine");
    asker_service(&a, &server, "fault:hang");
    asker_open(&a);
    a.fail_after = 2;
    assert_int_equal(asker_ask(&a, 20), CSO_ERR_INPUT);
    assert_string_equal(a.error.message, "the taker had enough");
    assert_int_equal(a.taken, 2);
    assert_true(a.seconds < 1.9); /* requests that hang are dropped */
    a.fail_after = 0;
    a.services = 1;
    assert_int_equal(asker_ask(&a, 2), CSO_OK);
}

static void tries_before_count(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:500")->max_retries = 3;
    asker_open(&a);
    cso_chat_question question = {.service = 0, .system = "", .user = "x", .tries = 2};
    assert_int_equal(cso_endpoint_ask(a.pool, &question, 1, NULL, NULL, &a.error), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "(after 4 requests)"));
    assert_int_equal(server_process_stat(&server, "requests"), 2);
    question.tries = 4;
    assert_int_equal(cso_endpoint_ask(a.pool, &question, 1, NULL, NULL, &a.error), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "no answer is what was asked for (after 4 requests)"));
    assert_int_equal(server_process_stat(&server, "requests"), 2);
}

/* 401 ends all that is asked of a service, before and after, and nothing of another. */
static void refused_for_good(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:401")->max_parallel = 1;
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 20), CSO_ERR_USAGE);
    assert_int_equal(server_process_stat(&server, "requests"), 1);
    assert_int_equal(asker_ask(&a, 20), CSO_ERR_USAGE);
    assert_non_null(strstr(a.error.message, "HTTP 401"));
    assert_int_equal(server_process_stat(&server, "requests"), 1);
}

/* 403 after answers is about one question only. */
static void forbidden_after_answers(void **state) {
    (void)state;
    asker_service(&a, &server, "fault:403*1")->max_retries = 0;
    asker_service(&a, &server, "fine");
    asker_open(&a);
    cso_chat_question questions[] = {{.service = 1, .system = "", .user = "x"}, {.service = 0, .system = "", .user = "x"}};
    assert_int_equal(asker_ask(&a, 2), CSO_ERR_USAGE); /* refused, as the first thing that service said */
    asker_close(&a);

    a.services = 0;
    asker_service(&a, &server, "fine");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 1), CSO_OK);
    a.options[0].model = (char *)(uintptr_t) "fault:403";
    assert_int_equal(cso_endpoint_ask(a.pool, &questions[1], 1, NULL, NULL, &a.error), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "HTTP 403"));
    a.options[0].model = (char *)(uintptr_t) "fine";
    assert_int_equal(asker_ask(&a, 1), CSO_OK);
}

static void cost_is_limited(void **state) {
    (void)state;
    cso_endpoint_options *options = asker_service(&a, &server, "fine");
    options->price_in = 0;
    options->price_out = 1e6; /* 1 for a token; an answer has 6, and may have 64 */
    asker_open(&a);
    cso_endpoint_pool_limit_cost(a.pool, 200, 0);
    assert_int_equal(asker_ask(&a, 100), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "role.judge: max_cost 200 would be exceeded: "));
    cso_endpoint_stats s = stats();
    assert_true(s.cost_reached && s.cost <= 200 && s.cost + 64 > 200);
    assert_true(a.taken >= 20); /* it waits for what requests really cost */
    assert_true(server_process_stat(&server, "most_at_once") <= 3);
    cso_endpoint_pool_limit_cost(a.pool, 1000, 1000 - 63);
    assert_int_equal(asker_ask(&a, 1), CSO_ERR_SYSTEM);
    cso_endpoint_pool_limit_cost(a.pool, 0, 0);
    assert_int_equal(asker_ask(&a, 1), CSO_OK);
}

typedef struct thread_asking {
    pthread_t thread;
    cso_endpoint_pool *pool;
    size_t taken, number;
    cso_status status;
} thread_asking;

static cso_status take_own(void *context, size_t index, cso_chat_answer *answer, cso_error *err) {
    thread_asking *t = context;
    char expected[32];
    (void)err;
    snprintf(expected, sizeof expected, "] thread %zu.%zu", t->number, index);
    t->taken += strstr(answer->text, expected) != NULL;
    free(answer->text);
    return CSO_OK;
}

static void *ask_in_thread(void *context) {
    enum { COUNT = 5 };
    thread_asking *t = context;
    char texts[COUNT][32];
    cso_chat_question questions[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "thread %zu.%zu", t->number, i);
        questions[i] = (cso_chat_question){.system = "", .user = texts[i]};
    }
    for (int round = 0; round < 3 && t->status == CSO_OK; round++)
        t->status = cso_endpoint_ask(t->pool, questions, COUNT, take_own, t, NULL);
    return NULL;
}

static void many_threads_ask(void **state) {
    enum { THREADS = 8 };
    thread_asking threads[THREADS];
    (void)state;
    asker_service(&a, &server, "fault:500*1");
    asker_open(&a);
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = (thread_asking){.pool = a.pool, .number = i};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, ask_in_thread, &threads[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].status, CSO_OK);
        assert_int_equal(threads[i].taken, 15);
    }
}

#define TEST(name)           cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(each_fault_twice),
        TEST(faults_without_end),
        TEST(good_answers_all_the_same),
        TEST_WITH(two_hundred_with_faults, setup_faults),
        TEST(retry_after_is_heeded),
        TEST_WITH(limits_and_order, setup_slow),
        TEST_WITH(stop_with_hanging_requests, setup_own),
        TEST_WITH(timeout, setup_own),
        TEST(first_failure_ends_the_asking),
        TEST_WITH(the_taker_fails, setup_own),
        TEST(tries_before_count),
        TEST(refused_for_good),
        TEST(forbidden_after_answers),
        TEST(cost_is_limited),
        TEST(many_threads_ask),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
