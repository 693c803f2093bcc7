#include "engine_fixture.h"

#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

engine_fixture engine_fixture_open(const char *model, int threads) {
    engine_fixture f = {.model = decode_fixture_open(model, threads)};
    cso_error err = {0};
    const cso_chat_template *chat;
    golden_ok(cso_tokenizer_open(&f.tokenizer, golden_path("models/%s", model), &err), &err);
    golden_ok(cso_chat_template_get(&chat, "auto", f.tokenizer, model, &err), &err);
    for (cso_role role = 0; role < CSO_ROLES; role++)
        f.options.players[role] = (cso_engine_player){.model = f.model.model,
                                                      .tokenizer = f.tokenizer,
                                                      .chat_template = chat,
                                                      .temperature = 1,
                                                      .max_tokens = role == CSO_ROLE_STRATEGY ? 250 : 28};
    f.options.players[CSO_ROLE_SEEKER].adapter = f.model.adapters[1];
    f.options.strategies = cso_strategies_builtin();
    f.options.memory = (size_t)1 << 28;
    return f;
}

void engine_fixture_close(engine_fixture *f) {
    cso_tokenizer_free(f->tokenizer);
    decode_fixture_close(&f->model);
}

cso_policy_engine *engine_fixture_policy(const engine_fixture *f) {
    cso_policy_engine *engine;
    cso_error err = {0};
    golden_ok(cso_policy_engine_open(&engine, f->model.ctx, &f->options, &err), &err);
    return engine;
}

cso_question fixture_question(cso_role role, size_t i) {
    char *system = cso_format("You are the %s.", cso_role_words[role]);
    char *user = cso_format("A talk of %zu turns, as before.\nseeker: I do not know %zu.", i / 4, i);
    assert_true(system && user);
    return (cso_question){
        .role = role, .system = system, .user = user, .seed = 77 * i + role, .opening = role == CSO_ROLE_SEEKER && i % 2};
}

void fixture_question_free(cso_question *question) {
    free((char *)question->system);
    free((char *)question->user);
}

static cso_status keep(void *context, size_t index, cso_answer *answer, cso_error *err) {
    kept_answers *kept = context;
    assert_true(index < kept->count && !kept->texts[index] && answer->text && answer->tries == 1);
    kept->texts[index] = answer->text;
    kept->cut[index] = answer->cut;
    return ++kept->taken == kept->fail_after ? cso_fail(err, CSO_ERR_SYSTEM, "the taker is full") : CSO_OK;
}

static void kept_begin(kept_answers *kept, size_t count) {
    kept->texts = calloc(count, sizeof *kept->texts);
    kept->cut = calloc(count, sizeof *kept->cut);
    kept->count = count;
    assert_true(kept->texts && kept->cut);
}

cso_status fixture_ask(cso_policy_engine *engine, const cso_question *questions, size_t count, kept_answers *kept, cso_error *err) {
    const cso_policy policy = cso_policy_of_engine(engine);
    kept_begin(kept, count);
    return policy.ask(policy.self, questions, count, keep, kept, err);
}

void kept_answers_free(kept_answers *kept) {
    for (size_t i = 0; i < kept->count; i++)
        free(kept->texts[i]);
    free(kept->texts);
    free(kept->cut);
    *kept = (kept_answers){0};
}

/* A thread's questions: every FIXTURE_THREADS-th, all at once. */
typedef struct asker {
    cso_policy_engine *engine;
    const cso_question *all;
    kept_answers *kept;
    size_t first, step;
    cso_status status;
} asker;

static void *ask_some(void *context) {
    asker *a = context;
    const cso_policy policy = cso_policy_of_engine(a->engine);
    size_t count = 0;
    cso_question *questions = calloc(a->kept->count, sizeof *questions);
    kept_answers own = {0};
    kept_begin(&own, a->kept->count);
    for (size_t i = a->first; i < a->kept->count; i += a->step)
        questions[count++] = a->all[i];
    a->status = count ? policy.ask(policy.self, questions, count, keep, &own, NULL) : CSO_OK;
    for (size_t i = 0; i < count; i++) {
        a->kept->texts[a->first + i * a->step] = own.texts[i];
        a->kept->cut[a->first + i * a->step] = own.cut[i];
    }
    free(own.texts);
    free(own.cut);
    free(questions);
    return NULL;
}

void fixture_ask_all(const engine_fixture *f, size_t count, bool threads, kept_answers *kept) {
    cso_policy_engine *engine = engine_fixture_policy(f);
    size_t n = threads ? FIXTURE_THREADS : count * CSO_ROLES;
    cso_question *questions = calloc(count * CSO_ROLES, sizeof *questions);
    asker *askers = calloc(n, sizeof *askers);
    pthread_t ids[FIXTURE_THREADS];
    for (size_t i = 0; i < count * CSO_ROLES; i++)
        questions[i] = fixture_question((cso_role)(i / count), i % count);
    kept_begin(kept, count * CSO_ROLES);
    for (size_t i = 0; i < n; i++) {
        askers[i] = (asker){.engine = engine, .all = questions, .kept = kept, .first = i, .step = n};
        if (threads)
            assert_int_equal(pthread_create(&ids[i], NULL, ask_some, &askers[i]), 0);
        else
            ask_some(&askers[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (threads)
            pthread_join(ids[i], NULL);
        assert_int_equal(askers[i].status, CSO_OK);
    }
    for (size_t i = 0; i < count * CSO_ROLES; i++)
        fixture_question_free(&questions[i]);
    free(questions);
    free(askers);
    cso_policy_engine_close(engine);
}
