/* talk.c - see talk.h. */
#include "talk.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A question with the texts that it owns. */
typedef struct asked {
    cso_prompt *prompts;     /* (count) */
    cso_question *questions; /* (count) */
    size_t count;
} asked;

static cso_status asked_begin(asked *a, size_t count, cso_error *err) {
    *a = (asked){
        .prompts = cso_calloc(count, sizeof *a->prompts), .questions = cso_calloc(count, sizeof *a->questions), .count = count};
    return a->prompts && a->questions ? CSO_OK : cso_fail_memory(err, "a question");
}

static void asked_free(asked *a) {
    for (size_t i = 0; a->prompts && i < a->count; i++)
        cso_prompt_free(&a->prompts[i]);
    free(a->prompts);
    free(a->questions);
}

/* Writes question `index` to a role. */
static cso_status write_question(cso_talk *talk, asked *a, size_t index, cso_role role, const cso_prompt_values *values,
                                 cso_error *err) {
    const cso_policy *policy = talk->caller->policy;
    cso_prompt *prompt = &a->prompts[index];
    size_t context = talk->bounded ? policy->context[role] : 0;
    cso_prompt_values seen = *values;
    seen.situation = talk->situation;
    seen.emotion = talk->emotion;
    CSO_TRY(cso_prompts_render(talk->prompts, role, &seen, context, policy->max_tokens[role], prompt, err));
    talk->turns_left_out += prompt->left_out;
    bool opening = role == CSO_ROLE_SEEKER && values->count == 1 && !values->turns[0].seeker;
    a->questions[index] = (cso_question){.role = role, .system = prompt->system, .user = prompt->user, .opening = opening};
    if (prompt->fits)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_USAGE,
                    "role.%s: the question has about %zu tokens even with the last turn alone, and role.%s.context is %zu (%zu of "
                    "them for the answer)",
                    cso_role_words[role], cso_prompt_tokens(prompt), cso_role_words[role], context, policy->max_tokens[role]);
}

/* Asks one question. */
static cso_status ask_one(cso_talk *talk, cso_role role, const cso_prompt_values *values, cso_answer_reader read, void *context,
                          cso_error *err) {
    asked a;
    cso_status status = asked_begin(&a, 1, err);
    if (status == CSO_OK)
        status = write_question(talk, &a, 0, role, values, err);
    if (status == CSO_OK)
        status = cso_caller_ask(talk->caller, a.questions, 1, read, context, err);
    asked_free(&a);
    return status;
}

typedef struct scores_reader {
    const char *names[CSO_MAX_STRATEGIES];
    size_t count;
    cso_scores *scores;
} scores_reader;

static cso_status read_scores(void *context, size_t index, const char *text, bool cut, const char **why, cso_error *err) {
    scores_reader *r = context;
    (void)cut;
    if (!cso_answer_scores(text, r->names, r->count, &r->scores[index], why))
        return *why ? CSO_OK : cso_fail_memory(err, "scores");
    *why = NULL;
    return CSO_OK;
}

cso_status cso_talk_scores_along(cso_talk *talk, const cso_search_turns *turns, const size_t *lengths, size_t count,
                                 cso_scores *scores, cso_error *err) {
    scores_reader reader = {.count = talk->prompts->strategies->count, .scores = scores};
    asked a;
    for (size_t i = 0; i < reader.count; i++)
        reader.names[i] = talk->prompts->strategies->items[i].name;
    cso_status status = asked_begin(&a, count, err);
    for (size_t i = 0; status == CSO_OK && i < count; i++) {
        const cso_prompt_values values = {.turns = turns->items, .count = lengths[i]};
        status = write_question(talk, &a, i, CSO_ROLE_STRATEGY, &values, err);
    }
    if (status == CSO_OK)
        status = cso_caller_ask(talk->caller, a.questions, count, read_scores, &reader, err);
    asked_free(&a);
    return status;
}

cso_status cso_talk_scores(cso_talk *talk, const cso_search_turns *turns, cso_scores *scores, cso_error *err) {
    return cso_talk_scores_along(talk, turns, &turns->count, 1, scores, err);
}

/* A reply of either side. */
typedef struct text_reader {
    char *text;
    bool may_end; /* the mark that ends a talk is an answer */
    bool no_end;  /* it is none */
    bool ended;
} text_reader;

static cso_status read_text(void *context, size_t index, const char *text, bool cut, const char **why, cso_error *err) {
    text_reader *r = context;
    (void)index;
    free(r->text);
    r->text = NULL;
    if (r->no_end && cso_answer_ends(text)) {
        *why = "it ends the talk before it began";
        return CSO_OK;
    }
    if (r->may_end && cso_answer_ends(text)) {
        r->ended = true;
        r->text = cso_strdup("");
        return r->text ? CSO_OK : cso_fail_memory(err, "a reply");
    }
    if (cut) {
        *why = "it was cut (max_tokens)";
        return CSO_OK;
    }
    if (!cso_answer_reply(text, &r->text, why))
        return CSO_OK;
    *why = NULL;
    return r->text ? CSO_OK : cso_fail_memory(err, "a reply");
}

static cso_status ask_text(cso_talk *talk, cso_role role, const cso_prompt_values *values, text_reader *reader, char **text,
                           cso_error *err) {
    cso_status status = ask_one(talk, role, values, read_text, reader, err);
    if (status != CSO_OK) {
        free(reader->text);
        reader->text = NULL;
    }
    *text = reader->text;
    return status;
}

cso_status cso_talk_reply(cso_talk *talk, const cso_search_turns *turns, size_t strategy, char **reply, cso_error *err) {
    const cso_prompt_values values = {
        .turns = turns->items, .count = turns->count, .strategy = &talk->prompts->strategies->items[strategy]};
    text_reader reader = {0};
    return ask_text(talk, CSO_ROLE_SUPPORTER, &values, &reader, reply, err);
}

cso_status cso_talk_answer(cso_talk *talk, const cso_search_turns *turns, char **answer, bool *ended, cso_error *err) {
    const cso_prompt_values values = {.turns = turns->items, .count = turns->count};
    text_reader reader = {.may_end = true};
    cso_status status = ask_text(talk, CSO_ROLE_SEEKER, &values, &reader, answer, err);
    *ended = reader.ended;
    return status;
}

cso_status cso_talk_opening(cso_talk *talk, const cso_search_turns *greeting, char **opening, cso_error *err) {
    const cso_prompt_values values = {.turns = greeting->items, .count = greeting->count};
    text_reader reader = {.no_end = true};
    return ask_text(talk, CSO_ROLE_SEEKER, &values, &reader, opening, err);
}

static cso_status read_levels(void *context, size_t index, const char *text, bool cut, const char **why, cso_error *err) {
    double(*levels)[CSO_CRITERIA] = context;
    (void)cut, (void)err;
    if (cso_answer_levels(text, levels[index], why))
        *why = NULL;
    return CSO_OK;
}

/* Question `index` of the judge: the first `length` turns, the last of them up to the reply. */
static cso_status write_judged(cso_talk *talk, asked *a, size_t index, const cso_search_turns *turns, size_t length,
                               cso_error *err) {
    cso_prompt_turn *last = &turns->items[length - 1];
    const char *seeker = last->seeker;
    last->seeker = NULL;
    const cso_prompt_values values = {.turns = turns->items, .count = length};
    cso_status status = write_question(talk, a, index, CSO_ROLE_JUDGE, &values, err);
    last->seeker = seeker;
    return status;
}

cso_status cso_talk_levels(cso_talk *talk, const cso_search_turns *turns, size_t first, double (*levels)[CSO_CRITERIA],
                           cso_error *err) {
    size_t count = turns->count - first + 1;
    asked a;
    cso_status status = asked_begin(&a, count, err);
    for (size_t i = 0; status == CSO_OK && i < count; i++)
        status = write_judged(talk, &a, i, turns, first + i, err);
    if (status == CSO_OK)
        status = cso_caller_ask(talk->caller, a.questions, count, read_levels, levels, err);
    asked_free(&a);
    return status;
}
