/* engine_fixture.h - a policy on the own engine with a tiny model in all roles, and threads that ask it. */
#ifndef CSO_TESTS_ENGINE_FIXTURE_H
#define CSO_TESTS_ENGINE_FIXTURE_H

#include "../decode/decode_fixture.h"
#include "search/policy_engine.h"

enum { FIXTURE_THREADS = 20 };

typedef struct engine_fixture {
    decode_fixture model;
    cso_tokenizer *tokenizer;
    cso_engine_options options; /* each role has the base model; to be changed by the test */
} engine_fixture;

engine_fixture engine_fixture_open(const char *model, int threads);
void engine_fixture_close(engine_fixture *f);
cso_policy_engine *engine_fixture_policy(const engine_fixture *f);

/* Questions with their texts: number i of a set is the same in each. */
cso_question fixture_question(cso_role role, size_t i);
void fixture_question_free(cso_question *question);

/* What a test's taker keeps. */
typedef struct kept_answers {
    char **texts; /* (count) */
    bool *cut;
    size_t count, taken, fail_after; /* 0: never */
} kept_answers;

/* Asks all questions at once. */
cso_status fixture_ask(cso_policy_engine *engine, const cso_question *questions, size_t count, kept_answers *kept, cso_error *err);
void kept_answers_free(kept_answers *kept);
/* The answers to `count` questions for each role, in the order of roles: asked by FIXTURE_THREADS threads, or by this one, one by one. */
void fixture_ask_all(const engine_fixture *f, size_t count, bool threads, kept_answers *kept);

#endif
