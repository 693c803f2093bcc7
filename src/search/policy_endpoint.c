/* policy_endpoint.c - see policy_endpoint.h. */
#include "policy_endpoint.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct relay {
    cso_answer_taker take;
    void *context;
} relay;

static cso_status relay_answer(void *context, size_t index, cso_chat_answer *chat, cso_error *err) {
    const relay *r = context;
    cso_answer answer = {
        .text = chat->text,
        .prompt_tokens = chat->prompt_tokens,
        .completion_tokens = chat->completion_tokens,
        .cut = chat->cut,
        .tries = chat->tries,
        .cost = chat->cost,
    };
    return r->take(r->context, index, &answer, err);
}

static cso_status ask(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                      cso_error *err) {
    const cso_endpoint_players *players = self;
    cso_chat_question *chat = cso_calloc(count, sizeof *chat);
    relay r = {take, context};
    if (!chat)
        return cso_fail_memory(err, "questions");
    for (size_t i = 0; i < count; i++)
        chat[i] =
            (cso_chat_question){players->service[questions[i].role], questions[i].system, questions[i].user, questions[i].tries};
    cso_status status = cso_endpoint_ask(players->pool, chat, count, relay_answer, &r, err);
    free(chat);
    return status;
}

cso_policy cso_policy_of_endpoints(cso_endpoint_players *players, const cso_endpoint_options *options) {
    cso_policy policy = {.ask = ask, .self = players};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        policy.max_retries[i] = options[i].max_retries;
        policy.context[i] = options[i].context;
        policy.max_tokens[i] = options[i].max_tokens;
    }
    return policy;
}
