/* test_endpoint_ends.c - how an asking ends: stopped, timed out, failed, refused, too dear; and threads that ask at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* What runs when an asking has failed is not tried again. */
static void no_retry_after_a_failure(void **state) {
    (void)state;
    cso_endpoint_options *options = asker_service(&a, &server, "fault:hang");
    options->timeout_seconds = 0.5;
    options->max_retries = 5;
    asker_service(&a, &server, "fault:400");
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 2), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "HTTP 400"));
    assert_int_equal(stats().requests, 2);
}

/* After two refusals in a row the service has a pause, not these questions alone. */
static void a_pause_for_all(void **state) {
    (void)state;
    cso_endpoint_options *options = asker_service(&a, &server, "fault:429-0*1");
    options->max_parallel = 1;
    options->retry_seconds = 0.2;
    asker_open(&a);
    assert_int_equal(asker_ask(&a, 4), CSO_OK);
    char *text = server_process_stats(&server);
    const char *user = strstr(text, "\"users\"");
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(user = strstr(user, "question "));
        user += strlen("question ");
        assert_true(i < 2 ? *user == '0' + (char)i : *user == '0' || *user == '1');
    }
    free(text);
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

/* What others ask of a service that refuses fails, too, although it waits. */
static void refused_while_others_wait(void **state) {
    thread_asking other = {.number = 1};
    (void)state;
    asker_service(&a, &server, "fault:401")->max_parallel = 1;
    asker_open(&a);
    other.pool = a.pool;
    assert_int_equal(pthread_create(&other.thread, NULL, ask_in_thread, &other), 0);
    assert_int_equal(asker_ask(&a, 10), CSO_ERR_USAGE);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.status, CSO_ERR_USAGE);
    assert_int_equal(server_process_stat(&server, "requests"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_WITH(stop_with_hanging_requests, setup_own),
        TEST_WITH(timeout, setup_own),
        TEST(first_failure_ends_the_asking),
        TEST_WITH(no_retry_after_a_failure, setup_own),
        TEST(a_pause_for_all),
        TEST_WITH(the_taker_fails, setup_own),
        TEST(tries_before_count),
        TEST(refused_for_good),
        TEST_WITH(refused_while_others_wait, setup_slow),
        TEST(forbidden_after_answers),
        TEST(cost_is_limited),
        TEST(many_threads_ask),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
