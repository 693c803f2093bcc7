/* preference.c - the usual preference forms: {"prompt", "chosen", "rejected"} as texts or as messages, and implicit prompts,
 * where chosen and rejected are whole conversations (or texts) and the prompt is how both begin, as TRL's extract_prompt has
 * it.
 */
#include "pair_source.h"

#include <string.h>

static const char *const REPLY_KEYS[2] = {"chosen", "rejected"};

typedef struct preference_reader {
    const source_request *request;
    const cJSON *prompt, *reply[2];
    message_list prompt_list, reply_list[2];
    source_reply replies[2];
} preference_reader;

static bool same_message(const cso_message *a, const cso_message *b) {
    return !strcmp(a->role, b->role) && a->size == b->size && !memcmp(a->content, b->content, a->size);
}

/* How many messages chosen and rejected have in common at their beginning. */
static size_t common_messages(const preference_reader *reader) {
    const message_list *a = &reader->reply_list[0], *b = &reader->reply_list[1];
    size_t count = 0;
    while (count < a->count && count < b->count && same_message(&a->items[count], &b->items[count]))
        count++;
    return count;
}

static cso_status chat_source(preference_reader *reader, pair_source *source, cso_error *err) {
    const char *place = reader->request->place;
    bool implicit = !cJSON_IsArray(reader->prompt);
    size_t skip = 0;
    for (int i = 0; i < 2; i++) {
        CSO_TRY(message_list_read(&reader->reply_list[i], reader->reply[i], place, REPLY_KEYS[i], !implicit, err));
        CSO_TRY(message_list_check_roles(&reader->reply_list[i], place, REPLY_KEYS[i], err));
    }
    if (implicit) {
        skip = common_messages(reader);
        source->prompt = reader->reply_list[0].items;
        source->prompt_count = skip;
    } else {
        CSO_TRY(message_list_read(&reader->prompt_list, reader->prompt, place, "prompt", false, err));
        CSO_TRY(message_list_check_roles(&reader->prompt_list, place, "prompt", err));
        source->prompt = reader->prompt_list.items;
        source->prompt_count = reader->prompt_list.count;
    }
    if (!source->prompt_count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s", place,
                        implicit ? "chosen and rejected have no first message in common to be the prompt" : "prompt is empty");
    for (int i = 0; i < 2; i++) {
        const message_list *list = &reader->reply_list[i];
        if (list->count == skip) /* also an empty list, which has no items to point at */
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s has no message%s", place, REPLY_KEYS[i],
                            implicit ? " after those it shares with the other" : "");
        source_reply *reply = &reader->replies[i];
        reply->messages = list->items + skip;
        reply->count = list->count - skip;
        if (strcmp(reply->messages->role, "assistant"))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected the assistant's reply to the prompt, found role \"%.60s\"", place,
                            REPLY_KEYS[i], reply->messages->role);
        reply->info.empty = is_blank(reply->messages->content, reply->messages->size);
    }
    if (!strcmp(source->prompt[source->prompt_count - 1].role, "assistant"))
        return cso_fail(err, CSO_ERR_INPUT, "%s: the prompt ends with an assistant message (expected a user message)", place);
    return CSO_OK;
}

/* The prompt of texts without one: how both begin, cut before a character that differs and without the blank before it. */
static size_t common_text(const cso_message *a, const cso_message *b) {
    size_t length = 0;
    while (length < a->size && length < b->size && a->content[length] == b->content[length])
        length++;
    while (length && length < a->size && (a->content[length] & 0xC0) == 0x80) /* inside a UTF-8 sequence */
        length--;
    if (length && a->content[length - 1] == ' ')
        length--;
    return length;
}

static cso_status plain_source(preference_reader *reader, pair_source *source, cso_error *err) {
    const char *place = reader->request->place;
    cso_message texts[3] = {{0}, {0}, {0}}; /* chosen, rejected, prompt */
    for (int i = 0; i < 2; i++)
        CSO_TRY(message_list_text(&reader->prompt_list, reader->reply[i], place, REPLY_KEYS[i], &texts[i].content, &texts[i].size,
                                  err));
    if (reader->prompt) {
        CSO_TRY(message_list_text(&reader->prompt_list, reader->prompt, place, "prompt", &texts[2].content, &texts[2].size, err));
    } else {
        size_t length = common_text(&texts[0], &texts[1]);
        if (!length)
            return cso_fail(err, CSO_ERR_INPUT, "%s: prompt is missing, and chosen and rejected do not begin alike", place);
        texts[2] = (cso_message){NULL, texts[0].content, length};
        for (int i = 0; i < 2; i++)
            texts[i] = (cso_message){NULL, texts[i].content + length, texts[i].size - length};
    }
    for (int i = 0; i < 2; i++) {
        CSO_TRY(message_list_add(&reader->reply_list[i], NULL, texts[i].content, texts[i].size, err));
        reader->replies[i].messages = reader->reply_list[i].items;
        reader->replies[i].count = 1;
        reader->replies[i].info.empty = is_blank(texts[i].content, texts[i].size);
    }
    CSO_TRY(message_list_add(&reader->prompt_list, NULL, texts[2].content, texts[2].size, err));
    source->prompt = reader->prompt_list.items;
    source->prompt_count = 1;
    source->plain = true;
    return CSO_OK;
}

static cso_status read_preference(preference_reader *reader, pair_source *source, cso_error *err) {
    const source_request *request = reader->request;
    reader->prompt = cJSON_GetObjectItemCaseSensitive(request->record, "prompt");
    for (int i = 0; i < 2; i++) {
        reader->reply[i] = cJSON_GetObjectItemCaseSensitive(request->record, REPLY_KEYS[i]);
        if (!reader->reply[i])
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s is missing (a preference record has prompt, chosen and rejected)",
                            request->place, REPLY_KEYS[i]);
    }
    if (reader->prompt && !cJSON_IsString(reader->prompt) && !cJSON_IsArray(reader->prompt))
        return cso_fail(err, CSO_ERR_INPUT, "%s: prompt is neither a text nor an array of messages", request->place);
    bool text[2] = {cJSON_IsString(reader->reply[0]), cJSON_IsString(reader->reply[1])};
    if (text[0] != text[1] || (text[0] && cJSON_IsArray(reader->prompt)))
        return cso_fail(err, CSO_ERR_INPUT, "%s: prompt, chosen and rejected must be all texts or all messages", request->place);
    /* A text as prompt beside conversations repeats what they begin with (UltraFeedback's form). */
    return text[0] ? plain_source(reader, source, err) : chat_source(reader, source, err);
}

cso_status preference_sources(const source_request *request, cso_error *err) {
    preference_reader reader = {.request = request,
                                .replies = {{.info = reply_info("the chosen reply")}, {.info = reply_info("the rejected reply")}}};
    reader.replies[1].info.rank = 1;
    pair_source source = {.n_replies = 2, .reply = reader.replies, .pair = true};
    cso_status status = read_preference(&reader, &source, err);
    if (status == CSO_OK) {
        source.dialogue = dialogue_hash(source.prompt, source.prompt_count, NULL);
        status = request->visit(request->context, &source, request->place, err);
    }
    message_list_free(&reader.prompt_list);
    message_list_free(&reader.reply_list[0]);
    message_list_free(&reader.reply_list[1]);
    return status;
}
