/* test_engine_answers.c - answers of the own engine: what a model of random weights writes always has its role's form, and the same
 * question has the same answer whoever asks besides.
 */
#include "engine_fixture.h"
#include "search/answers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- forms ---- */

static const char *refused_scores(const char *text, const cso_strategies *strategies) {
    const char *names[CSO_MAX_STRATEGIES], *why = NULL;
    cso_scores scores;
    for (size_t i = 0; i < strategies->count; i++)
        names[i] = strategies->items[i].name;
    if (!cso_answer_scores(text, names, strategies->count, &scores, &why))
        return why;
    for (size_t i = 0; i < scores.count; i++)
        if (scores.score[i] != floor(scores.score[i]))
            return "a score is no whole number";
    return scores.count == strategies->count ? NULL : "a strategy has no score";
}

/* As the search reads them. */
static const char *refused(const engine_fixture *f, cso_role role, const cso_question *question, const char *text, bool cut) {
    const char *why = NULL;
    double levels[CSO_CRITERIA];
    char *reply;
    if (role == CSO_ROLE_STRATEGY)
        return refused_scores(text, f->options.strategies);
    if (role == CSO_ROLE_JUDGE)
        return cso_answer_levels(text, levels, &why) ? NULL : why;
    if (question->opening && cso_answer_ends(text))
        return "it ends the talk before it began";
    if (cut || strpbrk(text, "\n\r\t"))
        return "it was cut, or is not a line";
    if (!cso_answer_reply(text, &reply, &why))
        return why;
    bool same = !strcmp(reply, text) || text[strlen(text) - 1] == ' ';
    free(reply);
    return same ? NULL : "it has a label or quotation marks";
}

static void all_have_their_form(const char *model, double temperature, size_t count) {
    engine_fixture f = engine_fixture_open(model, 2);
    kept_answers kept = {0};
    for (size_t i = 0; i < CSO_ROLES; i++)
        f.options.players[i].temperature = temperature;
    fixture_ask_all(&f, count, true, &kept);
    for (size_t i = 0; i < kept.count; i++) {
        cso_question question = fixture_question((cso_role)(i / count), i % count);
        const char *why = refused(&f, question.role, &question, kept.texts[i], kept.cut[i]);
        if (why)
            fail_msg("%s, %s %zu: %s:\n%s", model, cso_role_words[question.role], i % count, why, kept.texts[i]);
        fixture_question_free(&question);
    }
    kept_answers_free(&kept);
    engine_fixture_close(&f);
}

static size_t answers_each = 24; /* of a role */

static void answers_have_their_form(void **state) {
    (void)state;
    all_have_their_form("llama-tiny", 1, answers_each);
    all_have_their_form("gemma2-tiny", 1, answers_each / 2);
    all_have_their_form("qwen2-tiny", 3, answers_each / 2);
    all_have_their_form("qwen2-tiny", 0, answers_each / 4);
}

static void forms_need_room(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("llama-tiny", 1);
    cso_policy_engine *engine;
    cso_error err = {0};
    f.options.players[CSO_ROLE_STRATEGY].max_tokens = 60;
    assert_int_equal(cso_policy_engine_open(&engine, f.model.ctx, &f.options, &err), CSO_ERR_USAGE);
    size_t given = 0, needed = 0;
    assert_int_equal(
        sscanf(err.message, "role.strategy.max_tokens is %zu, and the form of its answers takes up to %zu", &given, &needed), 2);
    assert_int_equal(given, 60);
    f.options.players[CSO_ROLE_STRATEGY].max_tokens = needed - 1;
    assert_int_equal(cso_policy_engine_open(&engine, f.model.ctx, &f.options, &err), CSO_ERR_USAGE);
    f.options.players[CSO_ROLE_STRATEGY].max_tokens = needed;
    kept_answers kept = {0};
    fixture_ask_all(&f, 20, false, &kept);
    for (size_t i = 0; i < 20; i++)
        assert_null(refused_scores(kept.texts[i], f.options.strategies));
    kept_answers_free(&kept);
    f.options.players[CSO_ROLE_JUDGE].max_tokens = 7;
    assert_int_equal(cso_policy_engine_open(&engine, f.model.ctx, &f.options, &err), CSO_ERR_USAGE);
    engine_fixture_close(&f);
}

/* ---- the same answers ---- */

static void check_same(const kept_answers *a, const kept_answers *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->texts[i], b->texts[i]);
}

static void same_whoever_asks(void **state) {
    (void)state;
    enum { COUNT = 6 };
    kept_answers alone = {0};
    engine_fixture f = engine_fixture_open("llama-tiny", 1);
    fixture_ask_all(&f, COUNT, false, &alone);
    size_t differ = 0;
    for (size_t i = 1; i < COUNT; i++)
        differ += strcmp(alone.texts[i - 1], alone.texts[i]) != 0;
    assert_true(differ >= COUNT / 2);
    static const struct {
        int threads;
        size_t leaves, pages; /* of the budget; 0: plenty */
    } ways[] = {{1, 0, 0}, {2, 3, 0}, {2, 1, 0}, {2, 0, 12}, {1, 64, 20}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        engine_fixture other = engine_fixture_open("llama-tiny", ways[i].threads);
        kept_answers kept = {0};
        other.options.leaves = ways[i].leaves;
        if (ways[i].pages)
            other.options.memory = ways[i].pages * fixture_page_bytes(&other.model);
        fixture_ask_all(&other, COUNT, true, &kept);
        check_same(&alone, &kept);
        kept_answers_free(&kept);
        engine_fixture_close(&other);
    }
    kept_answers_free(&alone);
    engine_fixture_close(&f);
}

/* Two decoders, one for fast arithmetic, each with its part of the memory; and what is counted. */
static void two_models_take_turns(void **state) {
    (void)state;
    engine_fixture f = engine_fixture_open("qwen2-tiny", 2);
    f.options.players[CSO_ROLE_JUDGE].compute = CSO_DECODE_FAST;
    kept_answers alone = {0}, together = {0};
    fixture_ask_all(&f, 10, false, &alone);
    fixture_ask_all(&f, 10, true, &together);
    check_same(&alone, &together);
    cso_policy_engine *engine = engine_fixture_policy(&f);
    cso_question questions[8];
    kept_answers kept = {0};
    cso_engine_stats stats;
    cso_error err = {0};
    for (size_t i = 0; i < 8; i++)
        questions[i] = fixture_question((cso_role)(i % CSO_ROLES), 3);
    golden_ok(fixture_ask(engine, questions, 8, &kept, &err), &err);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(kept.texts[i], alone.texts[i % CSO_ROLES * 10 + 3]);
        fixture_question_free(&questions[i]);
    }
    cso_policy_engine_stats(engine, &stats);
    assert_int_equal(stats.answers, 8);
    assert_int_equal(stats.running + stats.waiting, 0);
    assert_true(stats.prompt_tokens > 0 && stats.completion_tokens > 0 && stats.reused_tokens * 3 > stats.prompt_tokens);
    assert_true(stats.bytes > 0 && stats.bytes <= stats.most_bytes && stats.most_bytes <= stats.memory && stats.seconds > 0);
    cso_policy_engine_close(engine);
    kept_answers_free(&kept);
    kept_answers_free(&alone);
    kept_answers_free(&together);
    engine_fixture_close(&f);
}

/* test_engine_answers [ANSWERS]: of each role, for the first test. */
int main(int argc, char **argv) {
    if (argc > 1)
        answers_each = (size_t)strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_have_their_form),
        cmocka_unit_test(forms_need_room),
        cmocka_unit_test(same_whoever_asks),
        cmocka_unit_test(two_models_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
