/* test_engine_ends.c - the own engine's scores, and how asking it fails: each thread gets its status, and nothing is left. */
#include "../faults.h"
#include "engine/engine.h"
#include "engine_fixture.h"
#include "io/json.h"
#include "score/score.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- scores ---- */

typedef struct expected {
    double mean[8];
    size_t n;
} expected;

static cso_status take_score(void *context, const cso_score_item *item, cso_error *err) {
    expected *e = context;
    (void)err;
    assert_int_equal(item->count, 1);
    e->mean[e->n++] = item->sequence->logp / (double)item->sequence->n_tokens;
    return CSO_OK;
}

static const char *const replies[] = {"That is hard.", "That is hard, I hear you.", "\nWhy?", "Yes: \u00e9\u4e2d", "That is hard."};
enum { REPLIES = sizeof replies / sizeof *replies };

/* The means of the scorer, which cso-eval uses. */
static void score_directly(const engine_fixture *f, const char *model, const cso_adapter *adapter, expected *e) {
    cso_engine *engine;
    cso_scorer *scorer;
    cso_error err = {0};
    golden_ok(cso_engine_create(&engine, f->model.ctx, f->model.model, CSO_COMPUTE_F32, (size_t)1 << 30, &err), &err);
    const cso_score_job job = {.engine = engine,
                               .tokenizer = f->tokenizer,
                               .chat_template = "auto",
                               .place = model,
                               .adapter = adapter,
                               .max_length = 1000,
                               .visit = take_score,
                               .context = e};
    golden_ok(cso_scorer_create(&scorer, &job, &err), &err);
    for (size_t i = 0; i < REPLIES; i++) {
        cJSON *record = cJSON_Parse("{\"prompt\":[{\"role\":\"user\",\"content\":\"I cannot sleep.\"}],"
                                    "\"completion\":[{\"role\":\"assistant\"}]}");
        cJSON_AddStringToObject(cJSON_GetArrayItem(cJSON_GetObjectItem(record, "completion"), 0), "content", replies[i]);
        golden_ok(cso_scorer_add_record(scorer, record, "record", &err), &err);
        cJSON_Delete(record);
    }
    golden_ok(cso_scorer_flush(scorer, &err), &err);
    cso_scorer_free(scorer);
    cso_engine_free(engine);
}

static void scores_are_those_of_records(void **state) {
    (void)state;
    const cso_message said = {"user", "I cannot sleep.", 15};
    for (size_t m = 0; fixture_models[m]; m++) {
        engine_fixture f = engine_fixture_open(fixture_models[m], 2);
        cso_policy_engine *engine = engine_fixture_policy(&f);
        cso_question questions[REPLIES + 1];
        kept_answers kept = {0};
        expected e = {0};
        cso_error err = {0};
        score_directly(&f, fixture_models[m], f.model.adapters[1], &e);
        for (size_t i = 0; i < REPLIES; i++)
            questions[i] = (cso_question){.role = CSO_ROLE_SEEKER, .messages = &said, .n_messages = 1, .reply = replies[i]};
        questions[REPLIES] = fixture_question(CSO_ROLE_JUDGE, 1);
        assert_true(cso_policy_of_engine(engine).scores[CSO_ROLE_SEEKER]);
        golden_ok(fixture_ask(engine, questions, REPLIES + 1, &kept, &err), &err);
        for (size_t i = 0; i < REPLIES; i++)
            assert_true(fabs(strtod(kept.texts[i], NULL) - e.mean[i]) <= 1e-5 * fabs(e.mean[i]));
        assert_string_equal(kept.texts[0], kept.texts[REPLIES - 1]);
        fixture_question_free(&questions[REPLIES]);
        kept_answers_free(&kept);
        cso_policy_engine_close(engine);
        engine_fixture_close(&f);
    }
}

/* ---- failures ---- */

/* The status of four questions, one for each role, and that no answer is there after it failed. */
static cso_status ask_four(cso_policy_engine *engine, cso_error *err) {
    cso_question questions[CSO_ROLES];
    kept_answers kept = {0};
    for (cso_role role = 0; role < CSO_ROLES; role++)
        questions[role] = fixture_question(role, 2);
    cso_status status = fixture_ask(engine, questions, CSO_ROLES, &kept, err);
    for (cso_role role = 0; role < CSO_ROLES; role++)
        fixture_question_free(&questions[role]);
    assert_true(status != CSO_OK || kept.taken == CSO_ROLES);
    kept_answers_free(&kept);
    return status;
}

static void what_does_not_fit(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("llama-tiny", 1);
    cso_error err = {0};
    f.options.players[CSO_ROLE_JUDGE].context = 90;
    cso_policy_engine *engine = engine_fixture_policy(&f);
    assert_int_equal(ask_four(engine, &err), CSO_ERR_USAGE);
    assert_ptr_equal(strstr(err.message, "role.judge: the question has "), err.message);
    cso_policy_engine_close(engine);
    f.options.players[CSO_ROLE_JUDGE].context = 0;
    f.options.memory = 1000;
    engine = engine_fixture_policy(&f);
    assert_int_equal(ask_four(engine, &err), CSO_ERR_SYSTEM);
    assert_non_null(strstr(err.message, "do not fit"));
    cso_policy_engine_close(engine);
    engine_fixture_close(&f);
}

/* An adapter that is broken takes down what is asked with it, and then all is well again. */
static void logits_that_are_no_numbers(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("llama-tiny", 2);
    cso_policy_engine *engine = engine_fixture_policy(&f);
    cso_error err = {0};
    cso_adapter *adapter = (cso_adapter *)f.model.adapters[1];
    float whole = adapter->params[0];
    adapter->params[0] = NAN;
    assert_int_equal(ask_four(engine, &err), CSO_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "role.seeker"));
    adapter->params[0] = whole;
    cso_policy_engine_close(engine);
    engine = engine_fixture_policy(&f);
    golden_ok(ask_four(engine, &err), &err);
    cso_policy_engine_close(engine);
    engine_fixture_close(&f);
}

static void a_taker_that_fails(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("llama-tiny", 2);
    f.options.leaves = 3;
    cso_policy_engine *engine = engine_fixture_policy(&f);
    cso_question questions[10];
    kept_answers kept = {.fail_after = 2};
    cso_engine_stats stats;
    cso_error err = {0};
    for (size_t i = 0; i < 10; i++)
        questions[i] = fixture_question(i % 2 ? CSO_ROLE_STRATEGY : CSO_ROLE_JUDGE, i);
    assert_int_equal(fixture_ask(engine, questions, 10, &kept, &err), CSO_ERR_SYSTEM);
    assert_string_equal(err.message, "the taker is full");
    assert_int_equal(kept.taken, 2);
    cso_policy_engine_stats(engine, &stats);
    assert_int_equal(stats.running + stats.waiting, 0);
    assert_true(stats.answers < 10);
    golden_ok(ask_four(engine, &err), &err);
    for (size_t i = 0; i < 10; i++)
        fixture_question_free(&questions[i]);
    kept_answers_free(&kept);
    cso_policy_engine_close(engine);
    engine_fixture_close(&f);
}

typedef struct stopped_asker {
    cso_policy_engine *engine;
    cso_status status;
} stopped_asker;

static void *ask_until_stopped(void *context) {
    stopped_asker *a = context;
    do
        a->status = ask_four(a->engine, NULL);
    while (a->status == CSO_OK);
    return NULL;
}

static void stop_ends_all_asking(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("llama-tiny", 2);
    cso_policy_engine *engine = engine_fixture_policy(&f);
    stopped_asker askers[8];
    pthread_t threads[8];
    cso_engine_stats stats = {0};
    cso_error err = {0};
    for (size_t i = 0; i < 8; i++) {
        askers[i] = (stopped_asker){.engine = engine};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_until_stopped, &askers[i]), 0);
    }
    while (stats.answers < 4)
        cso_policy_engine_stats(engine, &stats);
    cso_policy_engine_stop(engine);
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].status, CSO_STOPPED);
    }
    assert_int_equal(ask_four(engine, &err), CSO_STOPPED);
    cso_policy_engine_close(engine);
    engine_fixture_close(&f);
}

/* Each allocation fails once: in opening, asking and computing. */
static void memory_that_is_not_there(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("qwen2-tiny", 1);
    bool failed = true;
    size_t refused = 0;
    f.options.players[CSO_ROLE_SUPPORTER].max_tokens = f.options.players[CSO_ROLE_SEEKER].max_tokens = 4;
    for (size_t at = 1; failed; at += 1 + at / 25) {
        cso_policy_engine *engine;
        cso_error err = {0};
        fault_memory_begin(at, false);
        cso_status status = cso_policy_engine_open(&engine, f.model.ctx, &f.options, &err);
        if (status == CSO_OK)
            status = ask_four(engine, &err);
        failed = fault_memory_end();
        if (status != CSO_OK && !(failed && status == CSO_ERR_SYSTEM && *err.message))
            fail_msg("allocation %zu: status %d, %s", at, (int)status, err.message);
        refused += status != CSO_OK;
        if (engine && status != CSO_OK)
            golden_ok(ask_four(engine, &err), &err);
        cso_policy_engine_close(engine);
    }
    assert_true(refused > 100);
    engine_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_records), cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(logits_that_are_no_numbers),  cmocka_unit_test(a_taker_that_fails),
        cmocka_unit_test(stop_ends_all_asking),        cmocka_unit_test(memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
