/* esc_pairs.c - ESC-Pro pair records: {"scene", "description", "messages", "chosen": {...}, "reject": {...}}. */
#include "pair_source.h"

#include <string.h>

/* The strategy that a reply names, and whether anything follows it. */
static void judge_reply(pair_source *source, int which, const cso_strategies *strategies) {
    const cso_message *reply = source->reply[which];
    size_t begin;
    source->strategy[which] = cso_strategies_of(strategies, reply->content, reply->size, &begin);
    source->unknown_strategies += !source->strategy[which];
    source->empty[which] = is_blank(reply->content + begin, reply->size - begin);
}

static cso_status check_prompt(const message_list *prompt, const char *place, cso_error *err) {
    if (!prompt->count || strcmp(prompt->items[prompt->count - 1].role, "user"))
        return cso_fail(err, CSO_ERR_INPUT, "%s: messages must end with a user message, to which chosen and reject reply", place);
    for (size_t i = 0; i < prompt->count; i++) {
        const char *role = prompt->items[i].role;
        if (strcmp(role, "user") && strcmp(role, "assistant") && (strcmp(role, "system") || i))
            return cso_fail(err, CSO_ERR_INPUT, "%s: messages[%zu].role: expected user or assistant, found \"%.60s\"", place, i,
                            role);
    }
    return CSO_OK;
}

static cso_status read_pair(const source_request *request, message_list *prompt, message_list *replies, cso_error *err) {
    static const char *const KEYS[2] = {"chosen", "reject"};
    CSO_TRY(message_list_read(prompt, cJSON_GetObjectItemCaseSensitive(request->record, "messages"), request->place, "messages",
                              false, err));
    CSO_TRY(check_prompt(prompt, request->place, err));
    for (int i = 0; i < 2; i++) {
        const cJSON *reply = cJSON_GetObjectItemCaseSensitive(request->record, KEYS[i]);
        if (!reply)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s is missing (an ESC-Pro pair has messages, chosen and reject)",
                            request->place, KEYS[i]);
        CSO_TRY(message_list_read_one(replies, reply, request->place, KEYS[i], err));
        if (!strcmp(replies->items[i].role, "user"))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s.role: expected assistant, found \"user\"", request->place, KEYS[i]);
        replies->items[i].role = "assistant";
    }
    return CSO_OK;
}

cso_status esc_pair_sources(const source_request *request, cso_error *err) {
    message_list prompt = {0}, replies = {0};
    esc_texts texts;
    pair_source source = {.has_identity = true, .n_replies = 2, .reply_count = {1, 1}};
    cso_status status;
    CSO_TRY_DONE(esc_texts_read(&texts, request->record, &prompt, request->place, err));
    CSO_TRY_DONE(read_pair(request, &prompt, &replies, err));
    source.prompt = prompt.items;
    source.prompt_count = prompt.count;
    for (int i = 0; i < 2; i++) {
        source.reply[i] = &replies.items[i];
        judge_reply(&source, i, request->options->strategies);
    }
    source.dialogue = dialogue_hash(prompt.items, prompt.count, &texts);
    source.identity = identity_hash(&source);
    status = request->visit(request->context, &source, request->place, err);
done:
    message_list_free(&prompt);
    message_list_free(&replies);
    return status;
}
