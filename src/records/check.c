/* check.c - see check.h. */
#include "check_parts.h"

#include "base/file.h"
#include "data/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const cso_finding_words[CSO_FINDING_KINDS + 1] = {
    [CSO_FINDING_JSON] = "json",         [CSO_FINDING_RECORD] = "record", [CSO_FINDING_ROLES] = "roles",
    [CSO_FINDING_STRATEGY] = "strategy", [CSO_FINDING_EMPTY] = "empty",   [CSO_FINDING_EQUAL] = "equal",
    [CSO_FINDING_DOUBLE] = "double",     [CSO_FINDING_LENGTH] = "length", [CSO_FINDING_TEMPLATE] = "template",
};

static cso_status report(checker *c, cso_finding_kind kind, bool warning, const char *text, cso_error *err) {
    const cso_finding finding = {kind, warning, c->path, c->line, text};
    c->result->found[kind]++;
    if (warning)
        c->result->warnings++;
    else
        c->result->errors++;
    return c->options->visit(c->options->context, &finding, err);
}

cso_status check_found(checker *c, cso_finding_kind kind, bool warning, cso_error *err, const char *format, ...) {
    cso_error line; /* made as messages of errors are, with unprintable bytes shown */
    char text[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cso_fail(&line, CSO_ERR_INPUT, "%s: %s%s", c->place, warning ? "warning: " : "", text);
    return report(c, kind, warning, line.message, err);
}

/* A failure of a reader is a finding, if it is the input's fault. */
static cso_status found(checker *c, cso_status status, cso_finding_kind kind, const cso_error *what, cso_error *err) {
    if (status == CSO_ERR_INPUT)
        return report(c, kind, false, what->message, err);
    if (err)
        *err = *what;
    return status;
}

static void spread_add(cso_spread *spread, size_t count) {
    spread->least = spread->records && spread->least < count ? spread->least : count;
    spread->most = spread->most > count ? spread->most : count;
    spread->sum += (double)count;
    spread->records++;
}

static size_t characters(checker *c, const view_message *message) {
    const char *bytes;
    size_t size, count = 0;
    if (!slice_bytes(message->content, &c->reader.room, &bytes, &size))
        return 0;
    for (size_t i = 0; i < size; i++)
        count += (bytes[i] & 0xC0) != 0x80;
    return count;
}

/* Messages and characters of the longest sequence. */
static void count_lengths(checker *c) {
    const record_view *view = &c->reader.view;
    size_t messages = view->n_path, size = 0, longest = 0, most = 0;
    if (view->form == CSO_FORM_IDS)
        return;
    for (size_t i = 0; i < view->n_path; i++)
        size += characters(c, &view->path[i]);
    for (size_t i = 0; view->form != CSO_FORM_TREES && i < view->n_replies; i++) {
        size_t own = 0;
        for (size_t k = 0; k < view->replies[i].count; k++)
            own += characters(c, &view->messages[view->replies[i].first + k]);
        longest = own > longest ? own : longest;
        most = view->replies[i].count > most ? view->replies[i].count : most;
    }
    spread_add(&c->result->characters, size + longest);
    spread_add(&c->result->messages, messages + most);
}

static cso_status take_tokens(void *context, cso_pair_tokens *pair, cso_error *err) {
    size_t *longest = context;
    (void)err;
    for (size_t i = 0; i < pair->n; i++)
        *longest = pair->sequence[i].count > *longest ? pair->sequence[i].count : *longest;
    return CSO_OK;
}

/* The longest sequence as training renders it. */
static cso_status count_tokens(checker *c, const char *text, size_t size, cso_error *err) {
    static const cso_example_kind KINDS[CSO_FORM_COUNT] = {
        [CSO_FORM_TREES] = CSO_EXAMPLE_PAIR,      [CSO_FORM_PAIRS] = CSO_EXAMPLE_PAIR, [CSO_FORM_PREFERENCE] = CSO_EXAMPLE_PAIR,
        [CSO_FORM_KTO] = CSO_EXAMPLE_LABELED,     [CSO_FORM_LIST] = CSO_EXAMPLE_LIST,  [CSO_FORM_SFT] = CSO_EXAMPLE_TEXT,
        [CSO_FORM_COMPLETION] = CSO_EXAMPLE_TEXT, [CSO_FORM_TEXT] = CSO_EXAMPLE_TEXT,
    };
    cso_data_options data = c->options->data;
    cso_record_form form;
    cso_error what = {0};
    cJSON *record;
    size_t longest = 0, limit = data.max_length;
    cso_data_form own = c->reader.view.form;
    CSO_TRY(cso_json_parse(&record, text, size, c->path, c->line, err));
    cso_status status = cso_record_detect(record, c->place, &form, &what);
    if (status != CSO_OK || own == CSO_FORM_IDS) {
        c->result->uncounted++;
        cJSON_Delete(record);
        return CSO_OK;
    }
    data.max_length = SIZE_MAX;
    data.truncation = CSO_TRUNCATE_ERROR;
    data.kind = KINDS[own];
    const cso_record_request request = {record, form, c->place, c->options->tokenizer, c->options->chat, &data};
    status = cso_record_pairs_cached(c->cache, &request, take_tokens, &longest, &what);
    if (status == CSO_OK && own == CSO_FORM_TREES) { /* turns without alternatives are in no pair */
        data.kind = CSO_EXAMPLE_TEXT;
        status = cso_record_pairs_cached(c->cache, &request, take_tokens, &longest, &what);
    }
    cJSON_Delete(record);
    if (status != CSO_OK)
        return found(c, status, CSO_FINDING_TEMPLATE, &what, err);
    if (longest)
        spread_add(&c->result->tokens, longest);
    if (limit && longest > limit)
        return check_found(c, CSO_FINDING_LENGTH, false, err, "%zu tokens (expected at most %zu)", longest, limit);
    return CSO_OK;
}

static cso_status check_double(checker *c, const char *text, size_t size, cso_error *err) {
    text_hash hash;
    bool before;
    seen_place at = {(uint32_t)c->file, c->line < UINT32_MAX ? (uint32_t)c->line : UINT32_MAX}, first;
    if (!slice_value_hash((json_slice){text, size}, &c->reader.room, &hash) || !seen_table_add(&c->seen, hash, at, &before, &first))
        return cso_fail_memory(err, c->place);
    if (!before)
        return CSO_OK;
    return check_found(c, CSO_FINDING_DOUBLE, false, err, "the record is equal to that of %s:%u",
                       cso_input_name(c->paths[first.file]), (unsigned)first.line);
}

static cso_status visit_text(void *context, const char *text, size_t size, size_t line, cso_error *err) {
    checker *c = context;
    cso_error what = {0};
    c->line = line;
    c->result->records++;
    while (size && strchr(" \t\r\n", *text)) {
        text++;
        size--;
    }
    cso_status status = cso_json_check_record(text, size, c->path, line, &what);
    if (status != CSO_OK) {
        c->file_records++;
        return found(c, status, CSO_FINDING_JSON, &what, err);
    }
    snprintf(c->place, sizeof c->place, "%s:%zu", c->path, line);
    CSO_TRY(check_double(c, text, size, err));
    status = view_read(&c->reader, text, size, c->place, &what);
    if (status != CSO_OK) {
        c->file_records++;
        return found(c, status, c->reader.fault == VIEW_FAULT_ROLES ? CSO_FINDING_ROLES : CSO_FINDING_RECORD, &what, err);
    }
    cso_data_form form = c->reader.view.form;
    if (c->file_form == CSO_FORM_COUNT)
        c->file_form = form;
    c->file_records++;
    c->result->forms[form]++;
    if (form != c->file_form)
        CSO_TRY(check_found(c, CSO_FINDING_RECORD, false, err, "%s in a file of another form (it began with: %s)",
                            view_form_name(form), view_form_name(c->file_form)));
    size_t errors = c->result->errors;
    CSO_TRY(check_messages(c, err));
    count_lengths(c);
    return c->options->tokenizer && c->result->errors == errors ? count_tokens(c, text, size, err) : CSO_OK;
}

/* What ends the reading of a file is a finding of its own; the next file is read all the same. */
static cso_status check_file(checker *c, size_t file, cso_error *err) {
    cso_error what = {0};
    c->file = file;
    c->path = cso_input_name(c->paths[file]);
    c->file_records = 0;
    c->file_form = CSO_FORM_COUNT;
    cso_status status = cso_json_each_text(c->paths[file], visit_text, c, &what);
    c->line = 0;
    if (status != CSO_OK)
        return found(c, status, CSO_FINDING_JSON, &what, err);
    if (c->file_records)
        return CSO_OK;
    snprintf(c->place, sizeof c->place, "%s", c->path);
    return check_found(c, CSO_FINDING_RECORD, false, err, "no records (expected an array or lines of JSON objects)");
}

cso_status cso_check(const cso_check_options *options, const char *const *paths, size_t n_paths, cso_check_result *result,
                     cso_error *err) {
    *result = (cso_check_result){0};
    checker c = {.options = options, .result = result, .paths = paths};
    cso_status status = options->tokenizer ? cso_record_cache_create(&c.cache, err) : CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < n_paths; i++)
        status = check_file(&c, i, err);
    result->doubles_missed = c.seen.lost > 0;
    seen_table_free(&c.seen);
    cso_record_cache_free(c.cache);
    view_reader_free(&c.reader);
    return status;
}
