/* esc_tree.c - ESC-Pro tree records: a dialogue whose assistant turns carry the alternatives that scored low.
 *
 * The record becomes the same pairs as the reference implementation's change_data.py makes of it: for each assistant turn, for
 * each of its negatives, the system prompt and the turns before, "(Strategy) reply" against "(Strategy) negative". The
 * preferred replies are the history of later turns. For losses on lists a turn is one list: its preferred reply and all its
 * negatives. For losses on single sequences the record becomes one conversation: the system prompt, the user's turns and the preferred
 * replies.
 */
#include "pair_source.h"
#include "reply_list.h"

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
static cso_status read_reply(tree_reader *reader, const cJSON *reply, const char *name, message_list *list, cso_reply_info *info,
                             cso_error *err) {
    const char *place = reader->request->place, *content, *text, *given;
    size_t content_size, given_size, size;
    char key[96];
    if (!cJSON_IsObject(reply))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"content\", \"strategy\"})", place, name);
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(reply, "content"), place, key, &content, &content_size, err));
    snprintf(key, sizeof key, "%s.strategy", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(reply, "strategy"), place, key, &given, &given_size, err));
    CSO_TRY(reply_info_read(info, reply, place, name, err));
    CSO_TRY(message_list_strategy_text(list, given, content, content_size, &text, &size, err));
    info->strategy = cso_strategies_find(reader->request->options->strategies, given, given_size);
    info->empty = is_blank(content, content_size);
    return message_list_add(list, "assistant", text, size, err);
}

/* Gives replies to the turn at the end of the path: the prompt is what is before it. */
static cso_status visit_replies(tree_reader *reader, pair_source *source, const char *name, cso_error *err) {
    const message_list *path = &reader->path;
    source->has_identity = true;
    source->prompt = path->items;
    source->prompt_count = path->count - 1;
    source->dialogue = dialogue_hash(path->items, path->count, &reader->texts);
    if (!reader->digested) /* the first user message is there: all pairs have this dialogue */
        identity_begin(&reader->prompt, source->dialogue);
    digest_messages(&reader->prompt, path->items + reader->digested, source->prompt_count - reader->digested);
    reader->digested = source->prompt_count;
    source->identity = identity_end(&reader->prompt, source);
    char place[1024];
    snprintf(place, sizeof place, "%s: %s", reader->request->place, name);
    return reader->request->visit(reader->request->context, source, place, err);
}

/* The pair of the turn at the end of the path and one negative. */
static cso_status visit_negative(tree_reader *reader, const cJSON *negative, const char *name, const cso_reply_info *preferred,
                                 cso_error *err) {
    message_list list = {0};
    source_reply reply[2] = {{.count = 1, .info = *preferred}, {.count = 1, .info = reply_info("the rejected reply")}};
    cso_status status = read_reply(reader, negative, name, &list, &reply[1].info, err);
    if (status == CSO_OK) {
        reply[0].messages = &reader->path.items[reader->path.count - 1];
        reply[1].messages = list.items;
        reply[1].info.rank = 1;
        pair_source source = {.n_replies = 2, .reply = reply, .pair = true};
        source.unknown_strategies = (size_t)!reply[0].info.strategy + (size_t)!reply[1].info.strategy;
        status = visit_replies(reader, &source, name, err);
    }
    message_list_free(&list);
    return status;
}

/* The list of the turn at the end of the path and all its negatives. */
static cso_status visit_negatives(tree_reader *reader, const cJSON *negatives, const char *name, const cso_reply_info *preferred,
                                  cso_error *err) {
    message_list texts = {0};
    reply_list list = {0};
    size_t index = 0;
    const cJSON *negative;
    bool added;
    cso_status status;
    CSO_TRY_DONE(reply_list_add(&list, &reader->path.items[reader->path.count - 1], preferred, &added, err));
    cJSON_ArrayForEach(negative, negatives) {
        char key[96], own[40];
        snprintf(own, sizeof own, "negative[%zu]", index++);
        snprintf(key, sizeof key, "%s.%s", name, own);
        cso_reply_info info = reply_info(own);
        CSO_TRY_DONE(read_reply(reader, negative, key, &texts, &info, err));
        CSO_TRY_DONE(reply_list_add(&list, &texts.items[texts.count - 1], &info, &added, err));
        reader->request->counts->duplicates += !added;
    }
    CSO_TRY_DONE(reply_list_rank(&list, err));
    pair_source source = {.n_replies = list.count, .reply = list.replies, .unknown_strategies = list.unknown_strategies};
    status = visit_replies(reader, &source, name, err);
done:
    reply_list_free(&list);
    message_list_free(&texts);
    return status;
}

static cso_status read_assistant_turn(tree_reader *reader, const cJSON *turn, const char *name, cso_error *err) {
    const char *place = reader->request->place;
    cso_example_kind kind = reader->request->options->kind;
    cso_reply_info preferred = reply_info(kind == CSO_EXAMPLE_LIST ? "the preferred reply" : "the chosen reply");
    CSO_TRY(read_reply(reader, turn, name, &reader->path, &preferred, err));
    if (kind == CSO_EXAMPLE_TEXT) {
        reader->whole.unknown_strategies += !preferred.strategy;
        reader->whole.whole.empty |= preferred.empty;
        return CSO_OK;
    }
    const cJSON *negatives = cJSON_GetObjectItemCaseSensitive(turn, "negative"), *negative;
    if (negatives && !cJSON_IsArray(negatives))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s.negative is no array", place, name);
    if (!negatives || !negatives->child) {
        reader->request->counts->empty_turns++;
        return CSO_OK;
    }
    if (kind == CSO_EXAMPLE_LIST)
        return visit_negatives(reader, negatives, name, &preferred, err);
    size_t index = 0;
    cJSON_ArrayForEach(negative, negatives) {
        char key[80];
        snprintf(key, sizeof key, "%s.negative[%zu]", name, index++);
        CSO_TRY(visit_negative(reader, negative, key, &preferred, err));
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
    tree_reader reader = {.request = request, .whole = {.whole = reply_info("the content of an assistant message")}};
    cso_status status = read_tree(&reader, err);
    if (status == CSO_OK && request->options->kind == CSO_EXAMPLE_TEXT)
        status = visit_path(&reader, err);
    message_list_free(&reader.path);
    return status;
}
