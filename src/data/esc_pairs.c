/* esc_pairs.c - ESC-Pro pair records: {"scene", "description", "messages", "chosen": {...}, "reject": {...}}. */
#include "pair_source.h"

#include <string.h>

/* The strategy that a reply names, and whether anything follows it. */
static void judge_reply(cso_reply_info *info, const cso_message *reply, const cso_strategies *strategies) {
    size_t begin;
    info->strategy = cso_strategies_of(strategies, reply->content, reply->size, &begin);
    info->empty = is_blank(reply->content + begin, reply->size - begin);
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

static cso_status read_pair(const source_request *request, message_list *prompt, message_list *replies, source_reply info[2],
                            cso_error *err) {
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
        CSO_TRY(reply_info_read(&info[i].info, reply, request->place, KEYS[i], err));
    }
    for (int i = 0; i < 2; i++) { /* the messages no longer move */
        info[i].messages = &replies->items[i];
        info[i].count = 1;
        info[i].info.rank = (size_t)i;
        judge_reply(&info[i].info, &replies->items[i], request->options->strategies);
    }
    return CSO_OK;
}

cso_status esc_pair_sources(const source_request *request, cso_error *err) {
    message_list prompt = {0}, replies = {0};
    esc_texts texts;
    source_reply reply[2] = {{.info = reply_info("the chosen reply")}, {.info = reply_info("the rejected reply")}};
    pair_source source = {.has_identity = true, .n_replies = 2, .reply = reply, .pair = true};
    cso_status status;
    CSO_TRY_DONE(esc_texts_read(&texts, request->record, &prompt, request->place, err));
    CSO_TRY_DONE(read_pair(request, &prompt, &replies, reply, err));
    source.prompt = prompt.items;
    source.prompt_count = prompt.count;
    source.unknown_strategies = (size_t)!reply[0].info.strategy + (size_t)!reply[1].info.strategy;
    source.dialogue = dialogue_hash(prompt.items, prompt.count, &texts);
    source.identity = identity_hash(&source);
    status = request->visit(request->context, &source, request->place, err);
done:
    message_list_free(&prompt);
    message_list_free(&replies);
    return status;
}
