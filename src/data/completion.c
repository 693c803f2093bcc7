/* completion.c - prompts with replies that are no pair: {"prompt", "completion"}, {"prompt", "completions"}, the best first, and replies
 * with a label, as TRL's KTOTrainer takes them: {"prompt", "completion", "label"} or {"messages", "label"}, of which the last message is
 * the reply.
 */
#include "pair_source.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A prompt and its replies, all texts or all messages. */
typedef struct completion_reader {
    const source_request *request;
    const cJSON *prompt;
    message_list prompt_list, *reply_lists; /* (count) */
    source_reply *replies;                  /* (count) */
    size_t count;
} completion_reader;

static void reader_free(completion_reader *reader) {
    for (size_t i = 0; reader->reply_lists && i < reader->count; i++)
        message_list_free(&reader->reply_lists[i]);
    message_list_free(&reader->prompt_list);
    free(reader->reply_lists);
    free(reader->replies);
}

static cso_status reader_begin(completion_reader *reader, const source_request *request, size_t count, cso_error *err) {
    *reader = (completion_reader){.request = request, .count = count};
    reader->reply_lists = cso_calloc(count, sizeof *reader->reply_lists);
    reader->replies = cso_calloc(count, sizeof *reader->replies);
    return reader->reply_lists && reader->replies ? CSO_OK : cso_fail_memory(err, "replies");
}

static const cJSON *member(const source_request *request, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(request->record, key);
}

/* That the prompt is there and asks for a reply. */
static cso_status check_prompt(const message_list *prompt, const char *place, const char *key, cso_error *err) {
    if (!prompt->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is empty", place, key);
    if (!strcmp(prompt->items[prompt->count - 1].role, "assistant"))
        return cso_fail(err, CSO_ERR_INPUT, "%s: the prompt ends with an assistant message (expected a user message)", place);
    return CSO_OK;
}

static cso_status read_prompt(completion_reader *reader, cso_error *err) {
    const char *place = reader->request->place, *text;
    message_list *list = &reader->prompt_list;
    size_t size;
    reader->prompt = member(reader->request, "prompt");
    if (cJSON_IsString(reader->prompt)) {
        CSO_TRY(message_list_text(list, reader->prompt, place, "prompt", &text, &size, err));
        return message_list_add(list, NULL, text, size, err);
    }
    if (!cJSON_IsArray(reader->prompt))
        return cso_fail(err, CSO_ERR_INPUT, "%s: prompt %s", place,
                        reader->prompt ? "is neither a text nor an array of messages"
                                       : "is missing (it comes before a completion)");
    CSO_TRY(message_list_read(list, reader->prompt, place, "prompt", false, err));
    CSO_TRY(message_list_check_roles(list, place, "prompt", err));
    return check_prompt(list, place, "prompt", err);
}

/* A text, a message or an array of messages. name: "completions[2]". */
static cso_status read_reply(completion_reader *reader, size_t which, const cJSON *json, const char *name, cso_error *err) {
    const char *place = reader->request->place, *text;
    message_list *list = &reader->reply_lists[which];
    source_reply *reply = &reader->replies[which];
    size_t size;
    reply->info = reply_info(name);
    if (cJSON_IsString(json) != cJSON_IsString(reader->prompt))
        return cso_fail(err, CSO_ERR_INPUT, "%s: prompt and %s must be both texts or both messages", place, name);
    if (cJSON_IsString(json)) {
        CSO_TRY(message_list_text(list, json, place, name, &text, &size, err));
        CSO_TRY(message_list_add(list, NULL, text, size, err));
    } else {
        CSO_TRY(message_list_read(list, json, place, name, true, err));
        CSO_TRY(message_list_check_roles(list, place, name, err));
        if (!list->count)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s has no message", place, name);
        if (strcmp(list->items->role, "assistant"))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected the assistant's reply to the prompt, found role \"%.60s\"", place,
                            name, list->items->role);
    }
    reply->messages = list->items;
    reply->count = list->count;
    reply->info.empty = is_blank(list->items->content, list->items->size);
    return CSO_OK;
}

static cso_status visit_completions(completion_reader *reader, pair_source *source, cso_error *err) {
    const source_request *request = reader->request;
    source->plain = cJSON_IsString(reader->prompt);
    source->prompt = reader->prompt_list.items;
    source->prompt_count = reader->prompt_list.count;
    source->n_replies = reader->count;
    source->reply = reader->replies;
    source->dialogue = dialogue_hash(source->prompt, source->prompt_count, NULL);
    return request->visit(request->context, source, request->place, err);
}

static cso_status visit_completion(const source_request *request, bool label, cso_error *err) {
    completion_reader reader;
    pair_source source = {.label = label};
    cso_status status;
    CSO_TRY_DONE(reader_begin(&reader, request, 1, err));
    CSO_TRY_DONE(read_prompt(&reader, err));
    CSO_TRY_DONE(read_reply(&reader, 0, member(request, "completion"), "completion", err));
    status = visit_completions(&reader, &source, err);
done:
    reader_free(&reader);
    return status;
}

cso_status completion_sources(const source_request *request, cso_error *err) {
    return visit_completion(request, false, err);
}

/* Ranks 0, 1, 2, ...; with q, which falls from the best to the worst, equal ones share a rank. */
static cso_status rank_completions(completion_reader *reader, cso_error *err) {
    const char *place = reader->request->place;
    const cJSON *q = member(reader->request, "q"), *item = cJSON_IsArray(q) ? q->child : NULL;
    source_reply *replies = reader->replies;
    if (q && (!cJSON_IsArray(q) || (size_t)cJSON_GetArraySize(q) != reader->count))
        return cso_fail(err, CSO_ERR_INPUT, "%s: q is no array of %zu numbers, one for each completion", place, reader->count);
    for (size_t i = 0; i < reader->count; i++) {
        if (q && !cJSON_IsNumber(item))
            return cso_fail(err, CSO_ERR_INPUT, "%s: q[%zu] is no number", place, i);
        if (q) {
            replies[i].info.q = item->valuedouble;
            item = item->next;
        }
        if (i && replies[i].info.q > replies[i - 1].info.q)
            return cso_fail(err, CSO_ERR_INPUT, "%s: q[%zu] is larger than q[%zu] (expected the best completion first)", place, i,
                            i - 1);
        replies[i].info.rank = i ? replies[i - 1].info.rank + (replies[i].info.q != replies[i - 1].info.q) : 0;
    }
    if (!replies[reader->count - 1].info.rank)
        return cso_fail(err, CSO_ERR_INPUT, "%s: all completions have the same q: none is better than another", place);
    return CSO_OK;
}

cso_status list_sources(const source_request *request, cso_error *err) {
    const cJSON *completions = member(request, "completions"), *completion;
    size_t count = 0;
    completion_reader reader;
    pair_source source = {0};
    cso_status status;
    if (member(request, "labels"))
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: completions with labels for each step are not read (expected completions by rank, without labels)",
                        request->place);
    if (!cJSON_IsArray(completions))
        return cso_fail(err, CSO_ERR_INPUT, "%s: completions is no array", request->place);
    cJSON_ArrayForEach(completion, completions) count++;
    if (count < 2)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s completion is no list (expected two or more)", request->place,
                        count ? "one" : "no");
    CSO_TRY_DONE(reader_begin(&reader, request, count, err));
    CSO_TRY_DONE(read_prompt(&reader, err));
    count = 0;
    cJSON_ArrayForEach(completion, completions) {
        char name[40];
        snprintf(name, sizeof name, "completions[%zu]", count);
        CSO_TRY_DONE(read_reply(&reader, count++, completion, name, err));
    }
    CSO_TRY_DONE(rank_completions(&reader, err));
    status = visit_completions(&reader, &source, err);
done:
    reader_free(&reader);
    return status;
}

/* The last of the messages is the reply, those before it are the prompt. */
static cso_status visit_labeled_messages(const source_request *request, bool label, cso_error *err) {
    const char *place = request->place;
    message_list list = {0};
    source_reply reply = {.count = 1, .info = reply_info("the assistant's last message")};
    pair_source source = {.n_replies = 1, .reply = &reply, .label = label};
    cso_status status;
    CSO_TRY_DONE(message_list_read(&list, member(request, "messages"), place, "messages", false, err));
    CSO_TRY_DONE(message_list_check_roles(&list, place, "messages", err));
    if (!list.count || strcmp(list.items[list.count - 1].role, "assistant")) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: messages must end with the assistant's reply that the label is for", place);
        goto done;
    }
    list.count--;
    reply.messages = &list.items[list.count];
    reply.info.empty = is_blank(reply.messages->content, reply.messages->size);
    if (!list.count) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: messages has no message before the reply", place);
        goto done;
    }
    CSO_TRY_DONE(check_prompt(&list, place, "messages", err));
    source.prompt = list.items;
    source.prompt_count = list.count;
    source.dialogue = dialogue_hash(list.items, list.count, NULL);
    status = request->visit(request->context, &source, place, err);
done:
    message_list_free(&list);
    return status;
}

cso_status kto_sources(const source_request *request, cso_error *err) {
    const cJSON *label = member(request, "label");
    bool messages = member(request, "messages") != NULL;
    if (!cJSON_IsBool(label))
        return cso_fail(err, CSO_ERR_INPUT, "%s: label is neither true nor false", request->place);
    if (!messages && !member(request, "completion"))
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: completion is missing (a KTO record has a label, and messages or prompt and completion)",
                        request->place);
    return messages ? visit_labeled_messages(request, cJSON_IsTrue(label), err)
                    : visit_completion(request, cJSON_IsTrue(label), err);
}
