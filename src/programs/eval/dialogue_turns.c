/* dialogue_turns.c - see dialogue_turns.h. */
#include "dialogue_turns.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "programs/common/prompt_turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    dialogue_turns *turns;
    const turn_settings *settings;
    const char *path; /* for messages */
    /* The record that is read. */
    const cJSON *messages;
    const char *place;
    size_t index;
} reader;

static cso_status fail_strategy(const reader *r, const char *name, size_t turn, cso_error *err) {
    const cso_strategies *set = r->settings->strategies;
    const char *names[256];
    size_t count = 0;
    for (; count < set->count && count < 256; count++)
        names[count] = set->items[count].name;
    const char *near = cso_did_you_mean(name, names, count);
    if (near)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: messages[%zu].strategy: \"%.80s\" is none of the strategies (did you mean \"%s\"?)", r->place, turn,
                        name, near);
    return cso_fail(
        err, CSO_ERR_INPUT,
        "%s: messages[%zu].strategy: \"%.80s\" is none of the strategies (expected one such as \"%s\", or --strategies)", r->place,
        turn, name, names[0]);
}

/* "(Strategy) content" of a turn or a negative behind the messages. */
static cso_status add_reply(const reader *r, dialogue_turn *t, const cso_message *messages, size_t count, const cJSON *reply,
                            const char *name, cso_error *err) {
    const opened_model *model = r->settings->model;
    message_list list = {0};
    const char *content, *strategy, *text;
    size_t size, strategy_size;
    char key[96];
    cso_status status = CSO_OK;
    if (!cJSON_IsObject(reply))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"content\", \"strategy\"})", r->place, name);
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY_DONE(message_list_text(&list, cJSON_GetObjectItemCaseSensitive(reply, "content"), r->place, key, &content, &size, err));
    snprintf(key, sizeof key, "%s.strategy", name);
    CSO_TRY_DONE(message_list_text(&list, cJSON_GetObjectItemCaseSensitive(reply, "strategy"), r->place, key, &strategy,
                                   &strategy_size, err));
    CSO_TRY_DONE(message_list_strategy_text(&list, strategy, content, size, &text, &size, err));
    for (size_t i = 0; i < count; i++)
        CSO_TRY_DONE(message_list_add(&list, messages[i].role, messages[i].content, messages[i].size, err));
    CSO_TRY_DONE(message_list_add(&list, "assistant", text, size, err));
    const cso_chat_request request = {list.items, list.count, false, false};
    turn_reply *made = &t->replies[t->n_replies++];
    CSO_TRY_DONE(cso_chat_render(model->chat, model->tokenizer, &request, &made->ids, NULL, NULL, err));
    size_t same = 0;
    while (same < t->start && same < made->ids.count && made->ids.ids[same] == t->prompt.ids[same])
        same++;
    t->start = same;
done:
    message_list_free(&list);
    return status;
}

static cso_status add_replies(const reader *r, dialogue_turn *t, const cso_message *messages, size_t count, cso_error *err) {
    const cJSON *turn = cJSON_GetArrayItem(r->messages, (int)t->turn), *negative;
    const cJSON *negatives = cJSON_GetObjectItemCaseSensitive(turn, "negative");
    char name[64];
    size_t number = 0;
    if (negatives && !cJSON_IsNull(negatives) && !cJSON_IsArray(negatives))
        return cso_fail(err, CSO_ERR_INPUT, "%s: messages[%zu].negative is no array", r->place, t->turn);
    t->replies = cso_calloc(1 + (size_t)cJSON_GetArraySize(negatives), sizeof *t->replies);
    if (!t->replies)
        return cso_fail_memory(err, "turns");
    snprintf(name, sizeof name, "messages[%zu]", t->turn);
    CSO_TRY(add_reply(r, t, messages, count, turn, name, err));
    cJSON_ArrayForEach(negative, negatives) {
        snprintf(name, sizeof name, "messages[%zu].negative[%zu]", t->turn, number++);
        CSO_TRY(add_reply(r, t, messages, count, negative, name, err));
    }
    for (size_t i = 0; i < t->n_replies; i++)
        if (t->replies[i].ids.count == t->start)
            return cso_fail(err, CSO_ERR_INPUT, "%s: messages[%zu]: a reply has no tokens", r->place, t->turn);
    return t->start ? CSO_OK : cso_fail(err, CSO_ERR_INPUT, "%s: messages[%zu]: nothing is before the reply", r->place, t->turn);
}

/* Strategy and content of the reference; prompt_each_turn reads them only later, to go on with them. */
static cso_status set_reference(reader *r, dialogue_turn *t, cso_error *err) {
    const cJSON *turn = cJSON_GetArrayItem(r->messages, (int)t->turn),
                *strategy = cJSON_GetObjectItemCaseSensitive(turn, "strategy"),
                *content = cJSON_GetObjectItemCaseSensitive(turn, "content");
    char *bytes, *kept;
    if (!cJSON_IsString(strategy) || !cJSON_IsString(content))
        return cso_fail(err, CSO_ERR_INPUT, "%s: messages[%zu]: expected a strategy and a content, both texts", r->place, t->turn);
    const char *name = strategy->valuestring;
    t->strategy = cso_strategies_find(r->settings->strategies, name, strlen(name));
    if (!t->strategy)
        return fail_strategy(r, name, t->turn, err);
    CSO_TRY(cso_json_bytes(content, &bytes, &t->content_size, err));
    kept = cso_arena_alloc(&r->turns->arena, t->content_size + 1, 1);
    if (kept)
        memcpy(kept, bytes, t->content_size);
    free(bytes);
    t->content = kept;
    return kept ? CSO_OK : cso_fail_memory(err, "turns");
}

/* A prompt_visitor. */
static cso_status visit_turn(void *context, const cso_message *messages, size_t count, const size_t *turn, cso_error *err) {
    reader *r = context;
    const opened_model *model = r->settings->model;
    const cso_chat_request request = {messages, count, true, false};
    if (!cso_grow(&r->turns->items, &r->turns->capacity, r->turns->count + 1, sizeof *r->turns->items))
        return cso_fail_memory(err, "turns");
    dialogue_turn *t = &r->turns->items[r->turns->count++];
    *t = (dialogue_turn){.index = r->index, .turn = *turn};
    char *place = cso_arena_alloc(&r->turns->arena, strlen(r->place) + 1, 1);
    if (!place)
        return cso_fail_memory(err, "turns");
    t->place = strcpy(place, r->place);
    CSO_TRY(set_reference(r, t, err));
    cso_status status = cso_chat_render(model->chat, model->tokenizer, &request, &t->prompt, NULL, NULL, err);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "%s", r->place);
    t->start = t->prompt.count;
    return add_replies(r, t, messages, count, err);
}

static cso_status check_tree(const cJSON *messages, const char *place, cso_error *err) {
    if (!cJSON_IsArray(messages) || !prompt_is_tree(messages))
        return cso_fail(err, CSO_ERR_INPUT, "%s: not an ESC-Pro tree (expected messages whose assistant turns name their strategy)",
                        place);
    return CSO_OK;
}

/* A cso_json_visitor. */
static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    reader *r = context;
    message_list list = {0};
    char place[512];
    snprintf(place, sizeof place, "%s:%zu", r->path, line);
    r->place = place;
    r->index = r->turns->records++;
    r->messages = cJSON_GetObjectItemCaseSensitive(record, "messages");
    CSO_TRY(check_tree(r->messages, place, err));
    cso_status status = prompt_each_turn(&list, r->messages, r->settings->system_prompt, place, visit_turn, r, err);
    message_list_free(&list);
    return status;
}

cso_status dialogue_turns_read(dialogue_turns *turns, const turn_settings *settings, const cso_arg_list *files, cso_error *err) {
    reader r = {.turns = turns, .settings = settings};
    for (size_t i = 0; i < files->count; i++) {
        r.path = cso_input_name(files->items[i]);
        CSO_TRY(cso_json_each(files->items[i], visit_record, &r, err));
    }
    if (!turns->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: no turn of a supporter (expected ESC-Pro trees)", cso_input_name(files->items[0]));
    return CSO_OK;
}

void dialogue_turns_free(dialogue_turns *turns) {
    for (size_t i = 0; i < turns->count; i++) {
        dialogue_turn *t = &turns->items[i];
        for (size_t k = 0; k < t->n_replies; k++)
            free(t->replies[k].ids.ids);
        free(t->replies);
        free(t->prompt.ids);
    }
    free(turns->items);
    cso_arena_free(&turns->arena);
    *turns = (dialogue_turns){0};
}
