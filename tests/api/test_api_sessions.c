/* libcso: sessions: fed in pieces and together, forked, dropped, with adapters, and against scores and replies. */
#include "api_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ADAPTER "tests/golden/adapters/llama-tiny/r4"

enum { COUNT = 90 };

static void make_ids(int32_t ids[COUNT]) {
    for (int i = 0; i < COUNT; i++)
        ids[i] = 5 + i * 37 % 900;
}

static cso_lm_worker *worker_of(const api_fixture *f, const char *decode) {
    cso_lm_worker *worker;
    cso_lm_error error = {0};
    const cso_lm_worker_options options = {.threads = 2, .memory = (size_t)1 << 28, .decode = decode};
    api_ok(cso_lm_worker_create(&worker, f->model, &options, &error), &error);
    return worker;
}

static cso_lm_session *session_of(cso_lm_worker *worker, const cso_lm_adapter *adapter, const int32_t *ids, size_t count) {
    cso_lm_session *session;
    cso_lm_error error = {0};
    api_ok(cso_lm_session_open(&session, worker, adapter, &error), &error);
    api_ok(cso_lm_session_feed(session, ids, count, &error), &error);
    assert_int_equal(cso_lm_session_length(session), count);
    return session;
}

static void step(cso_lm_worker *worker, cso_lm_session *session) {
    cso_lm_error error = {0};
    api_ok(cso_lm_sessions_step(worker, &session, 1, &error), &error);
}

static bool keep(void *context, const cso_lm_score *score) {
    memcpy(context, score->logps[0].token_logps, score->logps[0].count * sizeof(double));
    return true;
}

static void logps_are_scores(void **state) {
    (void)state;
    api_fixture f;
    int32_t ids[COUNT];
    double scores[COUNT];
    cso_lm_error error = {0};
    make_ids(ids);
    api_open(&f);
    cso_lm_worker *worker = worker_of(&f, "exact");
    cso_lm_adapter *adapter;
    api_ok(cso_lm_adapter_open(&adapter, f.model, ADAPTER, &error), &error);
    const cso_lm_score_options options = {.callback = keep, .context = scores, .adapter = adapter};
    api_ok(cso_lm_score_ids(worker, &(cso_lm_sequence){ids, COUNT, 1}, 1, &options, &error), &error);
    cso_lm_session *session = session_of(worker, adapter, ids, 1);
    for (int i = 1; i < COUNT; i++) {
        step(worker, session);
        assert_true(fabs(cso_lm_session_logp(session, ids[i]) - scores[i - 1]) < 1e-5);
        api_ok(cso_lm_session_feed(session, &ids[i], 1, &error), &error);
        assert_null(cso_lm_session_logits(session));
        assert_true(isnan(cso_lm_session_logp(session, 1)));
    }
    cso_lm_session_drop(session);
    cso_lm_adapter_close(adapter);
    cso_lm_worker_free(worker);
    api_close(&f);
}

/* The same logits from a fork, from another session in the same step, and from a session fed in one piece. */
static void forks_are_the_same(void **state) {
    (void)state;
    api_fixture f;
    int32_t ids[COUNT];
    cso_lm_error error = {0};
    make_ids(ids);
    api_open(&f);
    cso_lm_worker *worker = worker_of(&f, NULL), *other_worker = worker_of(&f, NULL);
    size_t bytes = cso_lm_vocab(f.model) * sizeof(float);
    cso_lm_session *whole = session_of(other_worker, NULL, ids, COUNT), *first = session_of(worker, NULL, ids, 70), *fork, *waits;
    step(other_worker, whole);
    step(worker, first);
    api_ok(cso_lm_session_fork(&fork, first, 50, &error), &error);
    api_ok(cso_lm_session_feed(fork, ids + 50, COUNT - 50, &error), &error);
    api_ok(cso_lm_session_fork(&waits, fork, 80, &error), &error); /* tokens that wait are forked, too */
    assert_int_equal(cso_lm_session_length(waits), 80);
    api_ok(cso_lm_session_feed(waits, ids + 80, COUNT - 80, &error), &error);
    api_ok(cso_lm_session_feed(first, ids + 70, COUNT - 70, &error), &error);
    cso_lm_session *all[] = {first, fork, waits};
    api_ok(cso_lm_sessions_step(worker, all, 3, &error), &error);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cso_lm_session_length(all[i]), COUNT);
        assert_memory_equal(cso_lm_session_logits(all[i]), cso_lm_session_logits(whole), bytes);
    }
    cso_lm_session_drop(first);
    step(worker, fork);
    assert_memory_equal(cso_lm_session_logits(fork), cso_lm_session_logits(whole), bytes);
    assert_null(cso_lm_session_logits(waits)); /* not in the last step */
    cso_lm_session_drop(fork);
    cso_lm_session_drop(waits);
    cso_lm_session_drop(whole);
    cso_lm_worker_free(worker);
    cso_lm_worker_free(other_worker);
    api_close(&f);
}

/* A session and its adapter may go while another session of the adapter, or another adapter at the same address, comes. */
static void adapters_come_and_go(void **state) {
    (void)state;
    static const char *const folders[] = {ADAPTER, "tests/golden/adapters/llama-tiny/r4-qv"};
    api_fixture f;
    int32_t ids[COUNT];
    cso_lm_error error = {0};
    make_ids(ids);
    api_open(&f);
    cso_lm_worker *worker = worker_of(&f, NULL);
    double logps[2] = {0};
    for (int i = 0; i < 6; i++) {
        cso_lm_adapter *adapter;
        api_ok(cso_lm_adapter_open(&adapter, f.model, folders[i % 2], &error), &error);
        cso_lm_session *session = session_of(worker, adapter, ids, COUNT), *second = session_of(worker, adapter, ids, COUNT);
        step(worker, session);
        cso_lm_session_drop(session);
        step(worker, second);
        double logp = cso_lm_session_logp(second, 7);
        assert_true(i < 2 || logp == logps[i % 2]);
        logps[i % 2] = logp;
        cso_lm_session_drop(second);
        cso_lm_adapter_close(adapter);
    }
    assert_true(logps[0] != logps[1]);
    cso_lm_worker_free(worker);
    api_close(&f);
}

static void refuses(cso_lm_status status, const cso_lm_error *error, cso_lm_status expected, const char *part) {
    assert_int_equal(status, expected);
    if (!strstr(error->message, part))
        fail_msg("%s (expected %s)", error->message, part);
}

static void refusals(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    int32_t ids[] = {1, 2, 3}, wrong = 1 << 20;
    api_open(&f);
    cso_lm_worker *worker = worker_of(&f, NULL), *other = worker_of(&f, NULL), *none;
    cso_lm_session *session = session_of(worker, NULL, ids, 3), *empty = session_of(worker, NULL, NULL, 0), *fork;
    cso_lm_session *twice[] = {session, session};
    refuses(cso_lm_sessions_step(worker, twice, 2, &error), &error, CSO_LM_ERR_USAGE, "given twice");
    refuses(cso_lm_sessions_step(other, &session, 1, &error), &error, CSO_LM_ERR_USAGE, "another worker's");
    refuses(cso_lm_sessions_step(worker, &empty, 1, &error), &error, CSO_LM_ERR_USAGE, "no token");
    refuses(cso_lm_session_feed(session, &wrong, 1, &error), &error, CSO_LM_ERR_INPUT, "token id 1048576");
    refuses(cso_lm_session_feed(session, NULL, 1, &error), &error, CSO_LM_ERR_USAGE, "ids");
    refuses(cso_lm_session_fork(&fork, session, 4, &error), &error, CSO_LM_ERR_USAGE, "no first 4");
    assert_null(fork);
    refuses(cso_lm_session_open(&fork, NULL, NULL, &error), &error, CSO_LM_ERR_USAGE, "worker");
    const cso_lm_worker_options options = {.decode = "quick"};
    refuses(cso_lm_worker_create(&none, f.model, &options, &error), &error, CSO_LM_ERR_USAGE, "decode is \"quick\"");
    assert_int_equal(cso_lm_session_length(session), 3);
    step(worker, session);
    assert_true(cso_lm_session_logp(session, 1) < 0 && isnan(cso_lm_session_logp(session, -1)));
    api_ok(cso_lm_sessions_step(worker, NULL, 0, &error), &error);
    cso_lm_session_drop(session);
    cso_lm_session_drop(empty);
    cso_lm_session_drop(NULL);
    cso_lm_worker_free(worker);
    cso_lm_worker_free(other);
    api_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logps_are_scores), cmocka_unit_test(forks_are_the_same),
                                       cmocka_unit_test(adapters_come_and_go), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
