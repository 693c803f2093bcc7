/* prompt_rows.c - see prompt_rows.h. */
#include "prompt_rows.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "io/json_each.h"
#include "programs/common/prompt_turns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_INPUT = (size_t)1 << 34;

/* Keys of a row that are not options. */
static const char *const PROMPT_KEYS[] = {"prompt", "messages", "ids"};
static const char *const RECORD_KEYS[] = {"scene", "description", "iter", "chosen", "reject"}; /* of ESC-Pro */
enum { PROMPT_KEY_COUNT = 3, RECORD_KEY_COUNT = 5, KEY_COUNT = PROMPT_KEY_COUNT + RECORD_KEY_COUNT + REPLY_OPTION_COUNT };

typedef struct file_reader {
    prompt_rows *rows;
    const char *path; /* for messages */
    size_t index;
    message_list dialogue; /* of an input that is an array of messages */
    bool is_dialogue;
} file_reader;

/* A row whose prompt is rendered. */
typedef struct row_source {
    prompt_rows *rows;
    const char *place;
    size_t index;
    const reply_options *options;
} row_source;

cso_status check_strategy(const cso_strategies *strategies, const char *name, const char *place, cso_status status,
                          cso_error *err) {
    const char *names[256];
    size_t count = 0;
    if (cso_strategies_find(strategies, name, strlen(name)))
        return CSO_OK;
    for (; count < strategies->count && count < 256; count++)
        names[count] = strategies->items[count].name;
    const char *near = cso_did_you_mean(name, names, count);
    return near ? cso_fail(err, status, "%s: \"%.80s\" is not a known strategy (did you mean \"%s\"?)", place, name, near)
                : cso_fail(err, status, "%s: \"%.80s\" is not a known strategy (expected one such as \"%s\", or --strategies)",
                           place, name, names[0]);
}

static cso_status add_row(const row_source *source, prompt_row **row, cso_error *err) {
    prompt_rows *rows = source->rows;
    if (!cso_grow(&rows->items, &rows->capacity, rows->count + 1, sizeof *rows->items))
        return cso_fail_memory(err, "prompts");
    *row = &rows->items[rows->count++];
    **row = (prompt_row){.index = source->index, .options = source->options, .first = rows->replies};
    rows->replies += source->options->n;
    char *place = cso_arena_alloc(&rows->arena, strlen(source->place) + 1, 1);
    if (!place)
        return cso_fail_memory(err, "prompts");
    (*row)->place = strcpy(place, source->place);
    return CSO_OK;
}

/* A prompt_visitor. */
static cso_status render(void *context, const cso_message *messages, size_t count, const size_t *turn, cso_error *err) {
    const row_source *source = context;
    const row_settings *settings = &source->rows->settings;
    const cso_chat_request request = {messages, count, true, settings->parse_special};
    prompt_row *row = NULL;
    CSO_TRY(add_row(source, &row, err));
    row->has_turn = turn != NULL;
    row->turn = turn ? *turn : 0;
    cso_status status = cso_chat_render(settings->chat, settings->tokenizer, &request, &row->ids, NULL, NULL, err);
    return status == CSO_OK ? status : cso_error_prefix(err, status, "%s", source->place);
}

static cso_status add_messages(const row_source *source, message_list *list, cso_error *err) {
    if (!list->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: expected a non-empty array of messages", source->place);
    CSO_TRY(prompt_begin(list, source->rows->settings.system_prompt, err));
    return render((void *)source, list->items, list->count, NULL, err);
}

cso_status prompt_rows_add_text(prompt_rows *rows, const char *text, const char *place, cso_error *err) {
    const row_source source = {rows, place, rows->count, rows->settings.defaults};
    message_list list = {0};
    cso_status status = message_list_add(&list, "user", text, strlen(text), err);
    if (status == CSO_OK)
        status = add_messages(&source, &list, err);
    message_list_free(&list);
    return status;
}

static cso_status add_ids(const row_source *source, const cJSON *list, cso_error *err) {
    const cJSON *item;
    prompt_row *row = NULL;
    size_t vocab = source->rows->settings.vocab;
    if (!cJSON_IsArray(list) || !list->child)
        return cso_fail(err, CSO_ERR_INPUT, "%s: ids: expected a non-empty array of token ids", source->place);
    CSO_TRY(add_row(source, &row, err));
    cJSON_ArrayForEach(item, list) {
        double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (value < 0 || value >= (double)vocab || value != floor(value))
            return cso_fail(err, CSO_ERR_INPUT, "%s: ids: expected token ids from 0 to %zu", source->place, vocab - 1);
        int32_t id = (int32_t)value;
        CSO_TRY(cso_ids_add(&row->ids, &id, 1, err));
    }
    return CSO_OK;
}

static bool is_among(const char *key, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

static cso_status fail_unknown_key(const char *key, const char *place, cso_error *err) {
    const char *names[KEY_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < PROMPT_KEY_COUNT; i++)
        names[count++] = PROMPT_KEYS[i];
    for (size_t i = 0; i < RECORD_KEY_COUNT; i++)
        names[count++] = RECORD_KEYS[i];
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++)
        names[count++] = reply_option_rows[i].name;
    const char *near = cso_did_you_mean(key, names, count);
    return near ? cso_fail(err, CSO_ERR_INPUT, "%s: unknown key \"%.80s\" (did you mean \"%s\"?)", place, key, near)
                : cso_fail(err, CSO_ERR_INPUT, "%s: unknown key \"%.80s\" (docs/generate.md lists the keys of a row)", place, key);
}

/* The options of a row over the defaults; *given: it has any. */
static cso_status read_options(row_source *source, const cJSON *record, cso_error *err) {
    prompt_rows *rows = source->rows;
    reply_options options = *rows->settings.defaults, *kept;
    bool given = false;
    const cJSON *item;
    cJSON_ArrayForEach(item, record) {
        const reply_option *row = reply_option_find(item->string);
        if (!row && !is_among(item->string, PROMPT_KEYS, PROMPT_KEY_COUNT) &&
            !is_among(item->string, RECORD_KEYS, RECORD_KEY_COUNT))
            return fail_unknown_key(item->string, source->place, err);
        if (row)
            CSO_TRY(reply_option_set_json(&options, row, item, &rows->arena, source->place, err));
        given |= row != NULL;
    }
    source->options = rows->settings.defaults;
    if (!given)
        return CSO_OK;
    CSO_TRY(reply_options_check(&options, source->place, CSO_ERR_INPUT, err));
    if (options.strategy)
        CSO_TRY(check_strategy(rows->settings.strategies, options.strategy, source->place, CSO_ERR_INPUT, err));
    if (!(kept = cso_arena_alloc(&rows->arena, 1, sizeof *kept)))
        return cso_fail_memory(err, "prompts");
    *kept = options;
    source->options = kept;
    return CSO_OK;
}

static cso_status read_row(const row_source *source, const cJSON *record, cso_error *err) {
    const row_settings *settings = &source->rows->settings;
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(record, "messages"),
                *ids = cJSON_GetObjectItemCaseSensitive(record, "ids"),
                *prompt = cJSON_GetObjectItemCaseSensitive(record, "prompt");
    if (!messages + !ids + !prompt != 2)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: expected {\"prompt\": TEXT}, {\"messages\": [...]}, {\"ids\": [...]} or an ESC-Pro record",
                        source->place);
    if (ids)
        return add_ids(source, ids, err);
    message_list list = {0};
    cso_status status;
    if (prompt) {
        const char *text = NULL;
        size_t size = 0;
        status = message_list_text(&list, prompt, source->place, "prompt", &text, &size, err);
        if (status == CSO_OK)
            status = message_list_add(&list, "user", text, size, err);
    } else if (prompt_is_tree(messages)) {
        const char *system = settings->system_prompt ? settings->system_prompt : cso_strategies_prompt(settings->strategies);
        status = prompt_each_turn(&list, messages, system, source->place, render, (void *)source, err);
        message_list_free(&list);
        return status;
    } else {
        status = message_list_read(&list, messages, source->place, "messages", false, err);
    }
    if (status == CSO_OK)
        status = add_messages(source, &list, err);
    message_list_free(&list);
    return status;
}

/* A message of a dialogue; the record is gone after this. */
static cso_status copy_message(message_list *dialogue, const cJSON *record, const char *place, cso_error *err) {
    message_list one = {0};
    cso_status status = message_list_read_one(&one, record, place, "message", err);
    if (status == CSO_OK)
        status = message_list_copy(dialogue, &one.items[0], err);
    message_list_free(&one);
    return status;
}

/* A record of the file: a row, or a message of the one dialogue that the file is. */
static cso_status read_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    file_reader *reader = context;
    row_source source = {.rows = reader->rows, .index = reader->index};
    char *place = cso_format("%s:%zu", reader->path, line);
    if (!place)
        return cso_fail_memory(err, "prompts");
    source.place = place;
    cso_status status;
    if (!reader->index++)
        reader->is_dialogue = cJSON_HasObjectItem(record, "role");
    if (reader->is_dialogue) {
        status = copy_message(&reader->dialogue, record, place, err);
    } else {
        status = read_options(&source, record, err);
        if (status == CSO_OK)
            status = read_row(&source, record, err);
    }
    free(place);
    return status;
}

/* The text's one object, over any number of lines; NULL: it is not one. */
static cJSON *whole_object(const char *text, size_t size) {
    cJSON *json = NULL;
    cso_error ignored;
    const char *first = text + strspn(text, " \t\r\n\xEF\xBB\xBF");
    if (*first != '{' || cso_json_parse(&json, text, size, "", 1, &ignored) != CSO_OK)
        return NULL;
    return json;
}

static cso_status read_each(file_reader *reader, char *text, size_t size, cso_error *err) {
    prompt_rows *rows = reader->rows;
    if (!size)
        return CSO_OK;
    FILE *stream = fmemopen(text, size, "r");
    if (!stream)
        return cso_fail_errno(err, "read", reader->path);
    cso_status status = cso_json_each_open(stream, reader->path, read_record, reader, err);
    fclose(stream);
    if (status != CSO_OK || !reader->is_dialogue)
        return status;
    const row_source source = {.rows = rows, .place = reader->path, .options = rows->settings.defaults};
    rows->chat = true;
    return add_messages(&source, &reader->dialogue, err);
}

cso_status prompt_rows_read(prompt_rows *rows, const char *path, cso_error *err) {
    file_reader reader = {.rows = rows, .path = cso_input_name(path)};
    char *text = NULL;
    size_t size;
    CSO_TRY(cso_read_file(path, MAX_INPUT, &text, &size, err));
    cJSON *object = whole_object(text, size);
    cso_status status = object ? read_record(&reader, object, 1, err) : read_each(&reader, text, size, err);
    if (object) /* what was one dialogue before files had rows */
        rows->chat =
            cJSON_HasObjectItem(object, "messages") && !object->child->next && rows->count == 1 && !cso_ends_with(path, ".jsonl");
    cJSON_Delete(object);
    message_list_free(&reader.dialogue);
    free(text);
    return status;
}

const prompt_row *prompt_rows_of_reply(const prompt_rows *rows, size_t position) {
    size_t low = 0, high = rows->count; /* the last row whose first reply is at most there */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (rows->items[middle].first <= position)
            low = middle;
        else
            high = middle;
    }
    return &rows->items[low];
}

void prompt_rows_free(prompt_rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].ids.ids);
    free(rows->items);
    cso_arena_free(&rows->arena);
    *rows = (prompt_rows){0};
}
