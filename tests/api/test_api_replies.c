/* libcso: replies with options, several at a time, and probabilities of choices. */
#include "api_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 3, FORKS = 2, TOKENS = 20, TOP = 2 };

typedef struct kept {
    char text[1024];
    int32_t ids[2 * TOKENS];
    double logps[2 * TOKENS];
    size_t count, n_prefix;
    cso_lm_finish finish;
} kept;

typedef struct all_kept {
    kept replies[PROMPTS][FORKS];
    char streamed[PROMPTS][FORKS][1024];
    size_t total, stop_after;
} all_kept;

static bool hear(void *context, const cso_lm_token *token) {
    all_kept *k = context;
    strcat(k->streamed[token->prompt][token->number], token->text);
    assert_int_equal(token->id < 0, isnan(token->logp));
    return true;
}

static bool keep(void *context, const cso_lm_made *reply) {
    all_kept *k = context;
    kept *to = &k->replies[reply->prompt][reply->number];
    assert_true(reply->size < sizeof to->text && reply->count <= 2 * TOKENS);
    memcpy(to->text, reply->text, reply->size + 1);
    memcpy(to->ids, reply->ids, reply->count * sizeof *to->ids);
    memcpy(to->logps, reply->logps, reply->count * sizeof *to->logps);
    to->count = reply->count;
    to->n_prefix = reply->n_prefix;
    to->finish = reply->finish;
    for (size_t i = 0; i < reply->count; i++)
        assert_true(reply->top[TOP * i].logp >= reply->logps[i] && reply->top[TOP * i + 1].logp <= reply->top[TOP * i].logp);
    return ++k->total != k->stop_after;
}

static cso_lm_generate_options sampled(void *context) {
    return (cso_lm_generate_options){.max_tokens = TOKENS,
                                     .sampling = {.temperature = 1, .top_k = 100, .seed = 4, .sequence = 10},
                                     .prefix = "Yes, ",
                                     .n = FORKS,
                                     .logps = true,
                                     .n_top = TOP,
                                     .callback = hear,
                                     .made = keep,
                                     .context = context};
}

static const int32_t ids[] = {5, 90, 17, 33, 210, 8, 64, 300, 12, 77};
static const cso_lm_prompt prompts[PROMPTS] = {{ids, 10}, {ids, 7}, {ids + 2, 8}};

static void several_at_once(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    static all_kept first, other;
    first = other = (all_kept){0};
    api_open(&f);
    cso_lm_generate_options options = sampled(&first);
    api_ok(cso_lm_generate(f.worker, prompts, PROMPTS, &options, &error), &error);
    assert_int_equal(first.total, PROMPTS * FORKS);
    options.context = &other;
    options.together = 1;
    api_ok(cso_lm_generate(f.worker, prompts, PROMPTS, &options, &error), &error);
    assert_memory_equal(first.replies, other.replies, sizeof first.replies);
    assert_string_not_equal(first.replies[0][0].text, first.replies[0][1].text);
    for (size_t p = 0; p < PROMPTS; p++) {
        const kept *r = &first.replies[p][0];
        cso_lm_generate_options single = sampled(NULL);
        cso_lm_ids alone;
        single.callback = NULL;
        single.n = 0;
        single.sampling.sequence += p;
        api_ok(cso_lm_continue(f.worker, prompts[p].ids, prompts[p].count, &single, &alone, &error), &error);
        assert_int_equal(alone.count, r->count);
        assert_memory_equal(alone.ids, r->ids, alone.count * sizeof *alone.ids);
        assert_memory_equal(r->text, "Yes, ", 5);
        assert_string_equal(r->text, first.streamed[p][0]);
        assert_true(r->n_prefix > 0 && r->count <= r->n_prefix + TOKENS);
        cso_lm_ids_free(&alone);
    }
    other = (all_kept){.stop_after = 2};
    assert_int_equal(cso_lm_generate(f.worker, prompts, PROMPTS, &options, &error), CSO_LM_STOPPED);
    assert_int_equal(other.total, 2);
    api_close(&f);
}

static void stop_texts(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    cso_lm_text whole, cut;
    const cso_lm_message message = {"user", "I feel lost."};
    api_open(&f);
    cso_lm_generate_options options = {.max_tokens = TOKENS};
    api_ok(cso_lm_reply(f.worker, &message, 1, &options, &whole, &error), &error);
    assert_true(whole.size > 12);
    char stop[4] = {0};
    const char *const stops[] = {stop};
    size_t at = 6;
    while (at < whole.size && (whole.text[at] & 0x80))
        at++;
    assert_true(at < whole.size);
    stop[0] = whole.text[at];
    options.stop_texts = stops;
    options.n_stop_texts = 1;
    api_ok(cso_lm_reply(f.worker, &message, 1, &options, &cut, &error), &error);
    assert_int_equal(cut.size, strstr(whole.text, stop) - whole.text);
    assert_memory_equal(cut.text, whole.text, cut.size);
    cso_lm_text_free(&whole);
    cso_lm_text_free(&cut);
    api_close(&f);
}

/* The log-probabilities of the scoring functions, with all choices normalized. */
static void choices_are_scores(void **state) {
    (void)state;
    static const char *const texts[] = {"[Question]", "[Suggestions]", "[Question] How", "I", "[Others]"};
    enum { N = 5 };
    api_fixture f;
    cso_lm_error error = {0};
    cso_lm_worker *worker;
    cso_lm_session *session;
    api_open(&f);
    api_ok(cso_lm_worker_create(&worker, f.model, &(cso_lm_worker_options){.threads = 2, .decode = "exact"}, &error), &error);
    for (int adapted = 0; adapted < 2; adapted++) {
        const cso_lm_adapter *adapter = adapted ? f.adapter : NULL;
        cso_lm_choice choices[N], again[N];
        double sum = 0;
        for (size_t i = 0; i < N; i++)
            choices[i] = again[i] = (cso_lm_choice){.text = texts[i]};
        api_ok(cso_lm_choices(worker, adapter, ids, 10, choices, N, &error), &error);
        for (size_t i = 0; i < N; i++) {
            cso_lm_ids text;
            int32_t all[64];
            static api_scores scores;
            scores = (api_scores){0};
            api_ok(cso_lm_encode(cso_lm_get_tokenizer(f.model), texts[i], strlen(texts[i]), false, &text, &error), &error);
            memcpy(all, ids, sizeof ids);
            memcpy(all + 10, text.ids, text.count * sizeof *all);
            const cso_lm_score_options options = {.callback = api_keep_score, .context = &scores, .adapter = adapter};
            api_ok(cso_lm_score_ids(worker, &(cso_lm_sequence){all, 10 + text.count, 10}, 1, &options, &error), &error);
            assert_true(fabs(choices[i].logp - scores.logp[0]) < 1e-5);
            sum += exp(scores.logp[0]);
            cso_lm_ids_free(&text);
        }
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(choices[i].probability - exp(choices[i].logp) / sum) < 1e-5);
        api_ok(cso_lm_session_open(&session, worker, adapter, &error), &error);
        assert_int_equal(cso_lm_session_choices(session, again, N, &error), CSO_LM_ERR_USAGE);
        api_ok(cso_lm_session_feed(session, ids, 6, &error), &error);
        api_ok(cso_lm_sessions_step(worker, &session, 1, &error), &error);
        api_ok(cso_lm_session_feed(session, ids + 6, 4, &error), &error);
        api_ok(cso_lm_session_choices(session, again, N, &error), &error);
        assert_memory_equal(choices, again, sizeof choices); /* to the bit */
        assert_int_equal(cso_lm_session_length(session), 10);
        assert_null(cso_lm_session_logits(session));
        cso_lm_session_drop(session);
    }
    cso_lm_worker_free(worker);
    api_close(&f);
}

/* Each of one prompt's replies is what was asked for; with a mark, behind it. */
static void constrained(void **state) {
    (void)state;
    static const char *const only[] = {"calm", "sad"};
    static const char schema[] = "{\"type\": \"object\", \"properties\": {\"score\": {\"type\": \"integer\", \"minimum\": 0, "
                                 "\"maximum\": 4}}, \"required\": [\"score\"]}";
    api_fixture f;
    cso_lm_error error = {0};
    const cso_lm_message message = {"user", "I feel lost."};
    api_open(&f);
    for (int i = 0; i < 4; i++) {
        cso_lm_text text;
        cso_lm_generate_options options = {.max_tokens = 60, .sampling = {.temperature = 1, .seed = 3}};
        const char *rest;
        if (i % 2)
            options.json_schema = schema;
        else
            options.only = only, options.n_only = 2;
        if (i > 1)
            options.mark = "So: ", options.max_free_tokens = 10;
        api_ok(cso_lm_reply(f.worker, &message, 1, &options, &text, &error), &error);
        rest = text.text;
        if (i > 1) {
            assert_non_null(strstr(rest, "So: "));
            rest = strstr(rest, "So: ") + 4;
        }
        if (i % 2)
            assert_true(strlen(rest) >= 11 && !strncmp(rest, "{\"score\":", 9) && rest[strlen(rest) - 1] == '}');
        else
            assert_true(!strcmp(rest, "calm") || !strcmp(rest, "sad"));
        cso_lm_text_free(&text);
    }
    cso_lm_text none;
    cso_lm_generate_options options = {.max_tokens = 8, .json_schema = schema, .only = only, .n_only = 2};
    api_fails(cso_lm_reply(f.worker, &message, 1, &options, &none, &error), &error, CSO_LM_ERR_USAGE,
              "json_schema and only exclude each other");
    options = (cso_lm_generate_options){.max_tokens = 8, .json_schema = "{\"type\": \"objekt\"}"};
    api_fails(cso_lm_reply(f.worker, &message, 1, &options, &none, &error), &error, CSO_LM_ERR_INPUT,
              "json_schema: #/type: expected \"object\", \"array\", \"string\", \"number\", \"integer\", \"boolean\" or \"null\", "
              "or an array of them");
    options = (cso_lm_generate_options){.max_tokens = 8, .mark = "So: "};
    api_fails(cso_lm_reply(f.worker, &message, 1, &options, &none, &error), &error, CSO_LM_ERR_USAGE,
              "mark needs json_schema or only");
    options = (cso_lm_generate_options){.max_tokens = 8, .only = only, .n_only = 2, .prefix = "happy"};
    api_fails(cso_lm_reply(f.worker, &message, 1, &options, &none, &error), &error, CSO_LM_ERR_USAGE,
              "the prefix does not satisfy the constraint (token 1 of it)");
    api_close(&f);
}

static void refused(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    static all_kept k;
    api_open(&f);
    cso_lm_generate_options options = sampled(&k);
    cso_lm_ids none;
    api_fails(cso_lm_continue(f.worker, ids, 3, &options, &none, &error), &error, CSO_LM_ERR_USAGE,
              "n must be 0 or 1 here, got 2 (expected cso_lm_generate for several)");
    assert_null(none.ids);
    options.made = NULL;
    api_fails(cso_lm_generate(f.worker, prompts, 1, &options, &error), &error, CSO_LM_ERR_USAGE, "made is NULL");
    options = sampled(&k);
    options.sampling.top_p = -1;
    api_fails(cso_lm_generate(f.worker, prompts, 1, &options, &error), &error, CSO_LM_ERR_USAGE,
              "top_p must be from 0 to 1, got -1");
    options = sampled(&k);
    options.n_stop_texts = 1;
    api_fails(cso_lm_generate(f.worker, prompts, 1, &options, &error), &error, CSO_LM_ERR_USAGE, "stop_texts is NULL");
    api_fails(cso_lm_generate(f.worker, prompts, 1, NULL, &error), &error, CSO_LM_ERR_USAGE, "options is NULL");
    cso_lm_choice choice = {.text = ""};
    api_fails(cso_lm_choices(f.worker, NULL, ids, 3, &choice, 1, &error), &error, CSO_LM_ERR_USAGE,
              "choices[0]: the text is empty");
    api_fails(cso_lm_choices(f.worker, NULL, ids, 3, NULL, 1, &error), &error, CSO_LM_ERR_USAGE, "choices is NULL");
    api_fails(cso_lm_choices(NULL, NULL, ids, 3, &choice, 1, &error), &error, CSO_LM_ERR_USAGE, "worker is NULL");
    api_fails(cso_lm_session_choices(NULL, &choice, 1, &error), &error, CSO_LM_ERR_USAGE, "session is NULL");
    assert_int_equal(k.total, 0);
    api_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(several_at_once), cmocka_unit_test(stop_texts),
                                       cmocka_unit_test(choices_are_scores), cmocka_unit_test(constrained),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
