/* talk_likelihood.c - rewards without a judge's words: how probable replies are under its model. */
#include "talk.h"

#include "base/memory.h"
#include "base/text.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A talk as messages: the system prompt that lists the strategies, the opening, then replies "(STRATEGY) TEXT" and answers in turn. */
typedef struct shown_talk {
    cso_message *messages; /* (count) */
    size_t count;
    char **replies; /* (turns) the texts that are made here; the greeting's is NULL */
    size_t turns;
} shown_talk;

static void shown_talk_free(shown_talk *shown) {
    for (size_t i = 0; shown->replies && i < shown->turns; i++)
        free(shown->replies[i]);
    free(shown->replies);
    free(shown->messages);
}

static void add(shown_talk *shown, const char *role, const char *content) {
    shown->messages[shown->count++] = (cso_message){role, content, strlen(content)};
}

static cso_status show(shown_talk *shown, const cso_prompts *prompts, const cso_search_turns *turns, cso_error *err) {
    *shown = (shown_talk){.turns = turns->count};
    shown->messages = cso_calloc(2 * turns->count + 1, sizeof *shown->messages);
    shown->replies = cso_calloc(turns->count, sizeof *shown->replies);
    if (!shown->messages || !shown->replies)
        return cso_fail_memory(err, "a talk");
    add(shown, "system", cso_strategies_prompt(prompts->strategies));
    for (size_t i = 0; i < turns->count; i++) {
        const cso_prompt_turn *turn = &turns->items[i];
        if (i && !(shown->replies[i] = cso_format("(%s) %s", turn->strategy, turn->supporter)))
            return cso_fail_memory(err, "a talk");
        if (i)
            add(shown, "assistant", shown->replies[i]);
        add(shown, "user", turn->seeker ? turn->seeker : "");
    }
    return CSO_OK;
}

/* The messages before the reply of a turn: the oldest rounds are left out, whole, where they would not fit. *first: the first that is
 * there behind the system message. */
static void find_first(cso_talk *talk, const shown_talk *shown, size_t reply, size_t *first) {
    size_t context = talk->bounded ? talk->caller->policy->context[CSO_ROLE_JUDGE] : 0, bytes = 0;
    for (size_t i = 0; i <= reply; i++)
        bytes += shown->messages[i].size;
    for (*first = 1; context && bytes / 3 + 64 > context && *first + 2 < reply; *first += 2, talk->turns_left_out++)
        bytes -= shown->messages[*first].size + shown->messages[*first + 1].size;
}

/* A scored question with the texts that it owns. */
typedef struct scored {
    char *user;
    cso_message *messages;
} scored;

static cso_status write_question(cso_talk *talk, const shown_talk *shown, size_t turn, scored *own, cso_question *question,
                                 cso_error *err) {
    size_t reply = 2 * turn, first, count;
    cso_text text = {0};
    find_first(talk, shown, reply, &first);
    count = 1 + reply - first;
    own->messages = cso_calloc(count, sizeof *own->messages);
    if (!own->messages)
        return cso_fail_memory(err, "a question");
    own->messages[0] = shown->messages[0];
    memcpy(own->messages + 1, shown->messages + first, (count - 1) * sizeof *own->messages);
    for (size_t i = 1; i < count; i++) {
        cso_text_json_string(&text, own->messages[i].content, own->messages[i].size);
        cso_text_add(&text, "\n", 1);
    }
    cso_text_json_string(&text, shown->replies[turn], strlen(shown->replies[turn]));
    cso_text_add(&text, "", 1);
    own->user = text.data;
    if (text.failed)
        return cso_fail_memory(err, "a question");
    *question = (cso_question){.role = CSO_ROLE_JUDGE,
                               .system = shown->messages[0].content,
                               .user = own->user,
                               .messages = own->messages,
                               .n_messages = count,
                               .reply = shown->replies[turn]};
    return CSO_OK;
}

static cso_status read_mean(void *context, size_t index, const char *text, bool cut, const char **why, cso_error *err) {
    double *scores = context;
    char *end;
    double mean = strtod(text, &end);
    (void)cut, (void)err;
    if (end == text || *end || !(mean <= 0)) {
        *why = "it is no log-probability";
        return CSO_OK;
    }
    scores[index] = 4 * exp(mean);
    return CSO_OK;
}

cso_status cso_talk_likelihoods(cso_talk *talk, const cso_search_turns *turns, size_t first, double *scores, cso_error *err) {
    size_t count = turns->count - first + 1;
    shown_talk shown;
    scored *owned = cso_calloc(count, sizeof *owned);
    cso_question *questions = cso_calloc(count, sizeof *questions);
    cso_status status = show(&shown, talk->prompts, turns, err);
    if (status == CSO_OK && (!owned || !questions))
        status = cso_fail_memory(err, "a question");
    for (size_t i = 0; status == CSO_OK && i < count; i++)
        status = write_question(talk, &shown, first + i - 1, &owned[i], &questions[i], err);
    if (status == CSO_OK)
        status = cso_caller_ask(talk->caller, questions, count, read_mean, scores, err);
    for (size_t i = 0; owned && i < count; i++) {
        free(owned[i].user);
        free(owned[i].messages);
    }
    free(owned);
    free(questions);
    shown_talk_free(&shown);
    return status;
}
