/* view_read.c - a record's fields, its form, and what the readers of the forms share. */
#include "view_parts.h"

#include "data/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cso_data_form_words[CSO_FORM_COUNT + 1] = {
    [CSO_FORM_TREES] = "trees",           [CSO_FORM_PAIRS] = "pairs", [CSO_FORM_KTO] = "kto",
    [CSO_FORM_PREFERENCE] = "preference", [CSO_FORM_LIST] = "list",   [CSO_FORM_SFT] = "sft",
    [CSO_FORM_COMPLETION] = "completion", [CSO_FORM_TEXT] = "text",   [CSO_FORM_IDS] = "ids",
};

/* Fields with a meaning. What a form does not have of them is no field of no known meaning either: in another form it would be one. */
static const char *const KNOWN[] = {"scene",  "description", "iter",        "messages", "prompt", "chosen", "rejected",
                                    "reject", "completion",  "completions", "label",    "q",      "text",   "ids"};

json_slice view_field_of(const view_reader *reader, const char *key) {
    size_t length = strlen(key);
    for (size_t i = 0; i < reader->n_fields; i++) {
        json_slice name = reader->fields[i].key;
        if (name.size == length + 2 && !memcmp(name.text + 1, key, length))
            return reader->fields[i].value;
    }
    return (json_slice){0};
}

static bool has(const view_reader *reader, const char *key) {
    return view_field_of(reader, key).text != NULL;
}

/* A key that is written with escapes is put into the arena as the key that it means. */
static cso_status plain_key(view_reader *reader, json_slice *key, cso_error *err) {
    const char *bytes;
    size_t size;
    if (!memchr(key->text, '\\', key->size))
        return CSO_OK;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (slice_means(*key, KNOWN[i], &reader->room)) {
            if (!slice_bytes(*key, &reader->room, &bytes, &size))
                return cso_fail_memory(err, reader->place);
            const json_slice part = {bytes, size};
            return view_join(reader, &part, 1, key, err);
        }
    return CSO_OK;
}

static cso_status read_fields(view_reader *reader, const char *text, size_t size, cso_error *err) {
    cso_json_walk walk = cso_json_walk_begin(text, size);
    reader->n_fields = 0;
    while (cso_json_walk_next(&walk)) {
        if (!cso_grow(&reader->fields, &reader->field_capacity, reader->n_fields + 1, sizeof *reader->fields))
            return cso_fail_memory(err, reader->place);
        view_field *field = &reader->fields[reader->n_fields++];
        *field = (view_field){{walk.key, walk.key_size}, {walk.value, walk.value_size}};
        CSO_TRY(plain_key(reader, &field->key, err));
    }
    return CSO_OK;
}

static bool is_known(json_slice key) {
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strlen(KNOWN[i]) + 2 == key.size && !memcmp(KNOWN[i], key.text + 1, key.size - 2))
            return true;
    return false;
}

/* Whether this form has the field of that known name; those of ESC-Pro are kept track of by themselves. */
static bool is_used(cso_data_form form, json_slice key) {
    static const char *const USED[CSO_FORM_COUNT] = {
        [CSO_FORM_TREES] = " messages ",
        [CSO_FORM_PAIRS] = " messages chosen reject ",
        [CSO_FORM_KTO] = " messages prompt completion label ",
        [CSO_FORM_PREFERENCE] = " prompt chosen rejected ",
        [CSO_FORM_LIST] = " prompt completions q ",
        [CSO_FORM_SFT] = " messages ",
        [CSO_FORM_COMPLETION] = " prompt completion ",
        [CSO_FORM_TEXT] = " text ",
        [CSO_FORM_IDS] = " ids ",
    };
    char name[32];
    snprintf(name, sizeof name, " %.*s ", (int)key.size - 2, key.text + 1);
    return strstr(USED[form], name) || strstr(" scene description iter ", name);
}

static cso_status sort_fields(view_reader *reader, cso_error *err) {
    record_view *view = &reader->view;
    static const char *const NAMES[] = {"scene", "description"};
    json_slice *const values[] = {&view->scene, &view->description};
    for (int i = 0; i < 2; i++) {
        *values[i] = view_field_of(reader, NAMES[i]);
        if (values[i]->text && !slice_is_string(*values[i]))
            return view_fail(reader, (view_at){NAMES[i], SIZE_MAX, NULL, SIZE_MAX}, NULL, "is no string (expected a string)", err);
    }
    view->iter = view_field_of(reader, "iter");
    for (size_t i = 0; i < reader->n_fields; i++) {
        if (is_known(reader->fields[i].key)) {
            view->lost_fields += !is_used(view->form, reader->fields[i].key);
            continue;
        }
        if (!cso_grow(&view->extra, &reader->extra_capacity, view->n_extra + 1, sizeof *view->extra))
            return cso_fail_memory(err, reader->place);
        view->extra[view->n_extra++] = reader->fields[i];
    }
    return CSO_OK;
}

/* Whether a message has a strategy or negatives. */
static bool has_strategies(const view_reader *reader) {
    json_slice messages = view_field_of(reader, "messages");
    cso_json_walk list = cso_json_walk_begin(messages.text ? messages.text : "", messages.size);
    while (slice_is_array(messages) && cso_json_walk_next(&list)) {
        cso_json_walk turn = cso_json_walk_begin(list.value, list.value_size);
        while (turn.object && cso_json_walk_next(&turn)) {
            const json_slice key = {turn.key, turn.key_size};
            if (slice_is(key, "\"strategy\"") || slice_is(key, "\"negative\""))
                return true;
        }
    }
    return false;
}

static bool is_pair(const view_reader *r) {
    return has(r, "reject") || (has(r, "messages") && has(r, "chosen"));
}
static bool is_kto(const view_reader *r) {
    return has(r, "label");
}
static bool is_list(const view_reader *r) {
    return has(r, "completions");
}
static bool is_completion(const view_reader *r) {
    return has(r, "prompt") && has(r, "completion");
}
static bool is_preference(const view_reader *r) {
    return has(r, "chosen") || has(r, "rejected") || has(r, "prompt");
}
static bool is_tree(const view_reader *r) {
    return has(r, "messages") && (has(r, "iter") || has_strategies(r));
}
static bool is_conversation(const view_reader *r) {
    return has(r, "messages");
}
static bool is_text(const view_reader *r) {
    return has(r, "text");
}
static bool is_ids(const view_reader *r) {
    return has(r, "ids");
}

static cso_status read_ids(view_reader *reader, cso_error *err) {
    json_slice ids = view_field_of(reader, "ids");
    return slice_is_array(ids)
               ? CSO_OK
               : view_fail(reader, (view_at){"ids", SIZE_MAX, NULL, SIZE_MAX}, NULL, "is no array (expected token ids)", err);
}

/* The same order as in src/data/record_formats.c: the first that matches is the form. */
static const struct form_row {
    bool (*matches)(const view_reader *reader);
    cso_status (*read)(view_reader *reader, cso_error *err);
    cso_data_form form;
    const char *name;
} FORMS[] = {
    {is_pair, view_read_pair, CSO_FORM_PAIRS, "ESC-Pro pair"},
    {is_kto, view_read_kto, CSO_FORM_KTO, "KTO record (with a label)"},
    {is_list, view_read_list, CSO_FORM_LIST, "list (prompt, completions)"},
    {is_completion, view_read_completion, CSO_FORM_COMPLETION, "prompt and completion"},
    {is_preference, view_read_preference, CSO_FORM_PREFERENCE, "preference record (prompt, chosen, rejected)"},
    {is_tree, view_read_tree, CSO_FORM_TREES, "ESC-Pro tree"},
    {is_conversation, view_read_conversation, CSO_FORM_SFT, "conversation (messages)"},
    {is_text, view_read_text, CSO_FORM_TEXT, "text"},
    {is_ids, read_ids, CSO_FORM_IDS, "token ids"},
};
enum { N_FORMS = sizeof FORMS / sizeof *FORMS };

const char *view_form_name(cso_data_form form) {
    for (size_t i = 0; i < N_FORMS; i++)
        if (FORMS[i].form == form)
            return FORMS[i].name;
    return "record";
}

/* Forms of other trainers and records of no form: the readers of training say what to do about them. */
static cso_status fail_form(const char *text, size_t size, const char *place, cso_error *err) {
    cJSON *record;
    cso_record_form form;
    CSO_TRY(cso_json_parse(&record, text, size, place, 1, err));
    cso_status status = cso_record_detect(record, place, &form, err);
    cJSON_Delete(record);
    return status == CSO_OK ? cso_fail(err, CSO_ERR_INPUT, "%s: a record of a form that is not known here", place) : status;
}

static void clear(view_reader *reader, const char *place) {
    record_view *view = &reader->view;
    cso_arena_reset(&reader->arena);
    view->n_extra = view->n_path = view->n_messages = view->n_replies = view->n_turns = 0;
    view->renamed_roles = view->lost_fields = 0;
    view->plain = false;
    reader->place = place;
    reader->fault = VIEW_FAULT_RECORD;
}

cso_status view_read(view_reader *reader, const char *text, size_t size, const char *place, cso_error *err) {
    clear(reader, place);
    CSO_TRY(read_fields(reader, text, size, err));
    bool foreign =
        has(reader, "conversations") || (has(reader, "instruction") && !has(reader, "messages") && !has(reader, "prompt"));
    for (size_t i = 0; !foreign && i < N_FORMS; i++)
        if (FORMS[i].matches(reader)) {
            reader->view.form = FORMS[i].form;
            CSO_TRY(sort_fields(reader, err));
            return FORMS[i].read(reader, err);
        }
    return fail_form(text, size, place, err);
}

void view_reader_free(view_reader *reader) {
    free(reader->fields);
    free(reader->view.extra);
    free(reader->view.path);
    free(reader->view.messages);
    free(reader->view.replies);
    free(reader->view.turns);
    free(reader->room.bytes);
    cso_arena_free(&reader->arena);
    *reader = (view_reader){0};
}
