/* esc_tree.c - ESC-Pro tree records: a dialogue whose assistant turns carry the alternatives that scored low.
 *
 * The record becomes the same pairs as the reference implementation's change_data.py makes of it: for each assistant turn, for
 * each of its negatives, the system prompt and the turns before, "(Strategy) reply" against "(Strategy) negative". The
 * preferred replies are the history of later turns. For losses on single sequences the record becomes one conversation: the system
 * prompt, the user's turns and the preferred replies.
 */
#include "pair_source.h"

#include <stdio.h>
#include <string.h>

typedef struct tree_reader {
    const source_request *request;
    message_list path; /* system prompt, then the turns so far */
    esc_texts texts;
    cso_digest prompt; /* identity_begin, and the first `digested` messages of the path */
    size_t digested;
    pair_source whole; /* the conversation of the path, where that is wanted */
} tree_reader;

/* "(Strategy) content" of a turn or negative as an assistant message at the end of list. */
static cso_status read_reply(tree_reader *reader, const cJSON *reply, const char *name, message_list *list, const char **strategy,
                             bool *empty, cso_error *err) {
    const char *place = reader->request->place, *content, *text, *given;
    size_t content_size, given_size, size;
    char key[96];
    if (!cJSON_IsObject(reply))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"content\", \"strategy\"})", place, name);
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(reply, "content"), place, key, &content, &content_size, err));
    snprintf(key, sizeof key, "%s.strategy", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(reply, "strategy"), place, key, &given, &given_size, err));
    CSO_TRY(message_list_strategy_text(list, given, content, content_size, &text, &size, err));
    *strategy = cso_strategies_find(reader->request->options->strategies, given, given_size);
    *empty = is_blank(content, content_size);
    return message_list_add(list, "assistant", text, size, err);
}

/* The pair of the turn at the end of the path and one negative. */
static cso_status visit_negative(tree_reader *reader, const cJSON *negative, const char *name, pair_source *source,
                                 cso_error *err) {
    message_list reply = {0};
    const message_list *path = &reader->path;
    cso_status status;
    CSO_TRY_DONE(read_reply(reader, negative, name, &reply, &source->strategy[1], &source->empty[1], err));
    source->prompt = path->items;
    source->prompt_count = path->count - 1;
    source->reply[0] = &path->items[path->count - 1];
    source->reply[1] = reply.items;
    source->unknown_strategies = (size_t)!source->strategy[0] + (size_t)!source->strategy[1];
    source->dialogue = dialogue_hash(path->items, path->count, &reader->texts);
    if (!reader->digested) /* the first user message is there: all pairs have this dialogue */
        identity_begin(&reader->prompt, source->dialogue);
    digest_messages(&reader->prompt, path->items + reader->digested, source->prompt_count - reader->digested);
    reader->digested = source->prompt_count;
    source->identity = identity_end(&reader->prompt, source);
    char place[1024];
    snprintf(place, sizeof place, "%s: %s", reader->request->place, name);
    status = reader->request->visit(reader->request->context, source, place, err);
done:
    message_list_free(&reply);
    return status;
}

static cso_status read_assistant_turn(tree_reader *reader, const cJSON *turn, const char *name, cso_error *err) {
    const char *place = reader->request->place;
    pair_source source = {.has_identity = true, .n_replies = 2, .reply_count = {1, 1}};
    CSO_TRY(read_reply(reader, turn, name, &reader->path, &source.strategy[0], &source.empty[0], err));
    if (reader->request->options->kind == CSO_EXAMPLE_TEXT) {
        reader->whole.unknown_strategies += !source.strategy[0];
        reader->whole.empty[0] |= source.empty[0];
        return CSO_OK;
    }
    const cJSON *negatives = cJSON_GetObjectItemCaseSensitive(turn, "negative"), *negative;
    if (negatives && !cJSON_IsArray(negatives))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s.negative is no array", place, name);
    if (!negatives || !negatives->child)
        reader->request->counts->empty_turns++;
    size_t index = 0;
    cJSON_ArrayForEach(negative, negatives) {
        char key[80];
        snprintf(key, sizeof key, "%s.negative[%zu]", name, index++);
        CSO_TRY(visit_negative(reader, negative, key, &source, err));
    }
    return CSO_OK;
}

/* Every role but "user" is the assistant ("assistant", "supporter"); the two take turns, the user first. */
static cso_status read_turn(tree_reader *reader, const cJSON *turn, size_t index, cso_error *err) {
    const char *place = reader->request->place, *role, *content;
    size_t size;
    char name[48], key[64];
    snprintf(name, sizeof name, "messages[%zu]", index);
    if (!cJSON_IsObject(turn))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"role\", \"content\"})", place, name);
    snprintf(key, sizeof key, "%s.role", name);
    CSO_TRY(message_list_text(&reader->path, cJSON_GetObjectItemCaseSensitive(turn, "role"), place, key, &role, &size, err));
    bool is_user = !strcmp(role, "user"), expect_user = index % 2 == 0;
    if (is_user != expect_user || !strcmp(role, "system"))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected %s, found \"%.60s\" (user and assistant take turns, the user first)",
                        place, key, expect_user ? "user" : "assistant", role);
    if (!is_user)
        return read_assistant_turn(reader, turn, name, err);
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY(message_list_text(&reader->path, cJSON_GetObjectItemCaseSensitive(turn, "content"), place, key, &content, &size, err));
    return message_list_add(&reader->path, "user", content, size, err);
}

static cso_status read_tree(tree_reader *reader, cso_error *err) {
    const source_request *request = reader->request;
    CSO_TRY(esc_texts_read(&reader->texts, request->record, &reader->path, request->place, err));
    const cso_data_options *options = request->options;
    const char *system = options->system_prompt ? options->system_prompt : cso_strategies_prompt(options->strategies);
    if (system[0])
        CSO_TRY(message_list_add(&reader->path, "system", system, strlen(system), err));
    const cJSON *turns = cJSON_GetObjectItemCaseSensitive(request->record, "messages"), *turn;
    if (!cJSON_IsArray(turns) || !turns->child)
        return cso_fail(err, CSO_ERR_INPUT, "%s: messages %s (expected an array of turns)", request->place,
                        cJSON_IsArray(turns) ? "is empty" : "is no array");
    size_t index = 0;
    cJSON_ArrayForEach(turn, turns) CSO_TRY(read_turn(reader, turn, index++, err));
    return CSO_OK;
}

/* The preferred replies with what they reply to. */
static cso_status visit_path(tree_reader *reader, cso_error *err) {
    const message_list *path = &reader->path;
    pair_source *source = &reader->whole;
    source->has_identity = true;
    source->prompt = path->items;
    source->prompt_count = path->count;
    source->dialogue = dialogue_hash(path->items, path->count, &reader->texts);
    source->identity = identity_hash(source);
    for (size_t i = 0; i < path->count; i++)
        if (!strcmp(path->items[i].role, "assistant"))
            return reader->request->visit(reader->request->context, source, reader->request->place, err);
    return cso_fail(err, CSO_ERR_INPUT, "%s: messages has no assistant message to learn from", reader->request->place);
}

cso_status esc_tree_sources(const source_request *request, cso_error *err) {
    tree_reader reader = {.request = request};
    cso_status status = read_tree(&reader, err);
    if (status == CSO_OK && request->options->kind == CSO_EXAMPLE_TEXT)
        status = visit_path(&reader, err);
    message_list_free(&reader.path);
    return status;
}
