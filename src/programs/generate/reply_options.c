/* reply_options.c - see reply_options.h. */
#include "reply_options.h"

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REPLIES = 1024, MOST_ALTERNATIVES = 64, MAX_SCHEMA_BYTES = 1 << 20 };

#define ROW(field, kind, range, metavar, help)                                                                                     \
    { #field, REPLY_OPTION_##kind, offsetof(reply_options, field), range, metavar, help }
/* clang-format off */
const reply_option reply_option_rows[] = {
    ROW(max_tokens, SIZE, CSO_RANGE_BETWEEN(0, CSO_OPTION_INT32_MAX), "N", "longest reply (default 256)"),
    ROW(temperature, NUMBER, CSO_RANGE_BETWEEN(0, 1000), "X", "0: always the most probable token (default 0)"),
    ROW(top_k, SIZE, CSO_RANGE_BETWEEN(0, CSO_OPTION_INT32_MAX), "N", "sample from the N most probable tokens; 0: all (default 0)"),
    ROW(top_p, NUMBER, CSO_RANGE_ABOVE(0, 1), "X", "sample from the fewest tokens whose probabilities sum to X (default 1)"),
    ROW(min_p, NUMBER, CSO_RANGE_BETWEEN(0, 1), "X", "sample from tokens of at least X times the highest probability (default 0)"),
    ROW(repetition_penalty, NUMBER, CSO_RANGE_ABOVE(0, 1000), "X", "divides positive logits of tokens that came before (default 1)"),
    ROW(presence_penalty, NUMBER, CSO_RANGE_BETWEEN(-1000, 1000), "X", "taken from the logits of tokens of the reply (default 0)"),
    ROW(frequency_penalty, NUMBER, CSO_RANGE_BETWEEN(-1000, 1000), "X", "the same for each time that a token came (default 0)"),
    ROW(logit_bias, BIAS, CSO_RANGE_BETWEEN(-1e6, 1e6), "ID=X", "adds X to the logit of a token id; may be given often"),
    ROW(seed, SEED, CSO_RANGE_ANY, "N", "of the random numbers; the same seed gives the same replies (default 0)"),
    ROW(n, SIZE, CSO_RANGE_BETWEEN(1, MOST_REPLIES), "N", "replies to each prompt (default 1)"),
    ROW(stop, TEXTS, CSO_RANGE_NOT_EMPTY, "TEXT", "ends the reply before this text; may be given often"),
    ROW(prefix, TEXT, CSO_RANGE_ANY, "TEXT", "how the reply begins"),
    ROW(strategy, TEXT, CSO_RANGE_NOT_EMPTY, "NAME", "the reply begins with (NAME)"),
    ROW(schema, SCHEMA, CSO_RANGE_ANY, "FILE", "the reply is JSON that a JSON Schema allows"),
    ROW(choices, TEXTS, CSO_RANGE_NOT_EMPTY, "TEXT", "the reply is one of these texts; given once for each"),
    ROW(after, TEXT, CSO_RANGE_NOT_EMPTY, "TEXT", "free text comes first; --schema or --choices hold after this text"),
    ROW(max_free_tokens, SIZE, CSO_RANGE_BETWEEN(0, CSO_OPTION_INT32_MAX), "N",
        "longest text before --after; 0: half of max-tokens (default 0)"),
    ROW(logprobs, LOGPROBS, CSO_RANGE_BETWEEN(0, MOST_ALTERNATIVES), "N",
        "log-probabilities of the tokens, and of the N most probable ones at each position"),
    ROW(strategy_probabilities, FLAG, CSO_RANGE_ANY, NULL, "the probability of each known strategy beside every reply"),
};
/* clang-format on */
_Static_assert(sizeof reply_option_rows / sizeof *reply_option_rows == REPLY_OPTION_COUNT, "a row for each option");

reply_options reply_options_default(void) {
    return (reply_options){.max_tokens = 256, .top_p = 1, .repetition_penalty = 1, .n = 1};
}

const reply_option *reply_option_find(const char *name) {
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++)
        if (!strcmp(reply_option_rows[i].name, name))
            return &reply_option_rows[i];
    return NULL;
}

/* What is set, and how to speak of it: "FILE:LINE: top_k" or "--top-k". */
typedef struct setting {
    const reply_option *row;
    void *field;
    cso_arena *arena;
    const char *name;
    cso_status status; /* of a wrong value */
} setting;

/* shown: the value as it was written. */
static cso_status set_number(const setting *s, double value, const char *shown, cso_error *err) {
    char range[96];
    bool whole = s->row->kind == REPLY_OPTION_SIZE || s->row->kind == REPLY_OPTION_LOGPROBS;
    cso_option_range_text(&s->row->range, range, sizeof range);
    if (!cso_option_in_range(&s->row->range, value))
        return cso_fail(err, s->status, "%s: must be %s, got %s", s->name, range, shown);
    if (whole && value != floor(value))
        return cso_fail(err, s->status, "%s: must be a whole number, got %s", s->name, shown);
    if (s->row->kind == REPLY_OPTION_NUMBER)
        *(double *)s->field = value;
    else
        *(size_t *)s->field = (size_t)value;
    return CSO_OK;
}

static cso_status set_number_json(const setting *s, const cJSON *value, cso_error *err) {
    char shown[CSO_NUMBER_TEXT];
    if (!cJSON_IsNumber(value))
        return cso_fail(err, s->status, "%s: expected a number", s->name);
    cso_number_text(shown, value->valuedouble, 15);
    return set_number(s, value->valuedouble, shown, err);
}

static cso_status copy_text(const setting *s, const char *text, const char **copy, cso_error *err) {
    size_t size = strlen(text);
    if (s->row->range.min > 0 && !size)
        return cso_fail(err, s->status, "%s: must not be empty", s->name);
    if (strstr(text, "\xC0\x80")) /* how cso_json_parse stores it */
        return cso_fail(err, s->status, "%s: must not have a zero character", s->name);
    char *bytes = cso_arena_alloc(s->arena, size + 1, 1);
    if (!bytes)
        return cso_fail_memory(err, s->name);
    memcpy(bytes, text, size);
    *copy = bytes;
    return CSO_OK;
}

static cso_status add_text(const setting *s, const char *text, cso_error *err) {
    cso_strings *list = s->field;
    char **items = cso_arena_alloc(s->arena, list->count + 1, sizeof *items);
    const char *copy = NULL;
    if (!items)
        return cso_fail_memory(err, s->name);
    CSO_TRY(copy_text(s, text, &copy, err));
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count] = (char *)copy;
    *list = (cso_strings){items, list->count + 1};
    return CSO_OK;
}

static cso_status add_bias(const setting *s, const char *id, double bias, cso_error *err) {
    bias_list *list = s->field;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(id, &end, 10);
    if (id[0] < '0' || id[0] > '9' || *end || errno || number > INT32_MAX)
        return cso_fail(err, s->status, "%s: expected a token's id, found \"%.60s\"", s->name, id);
    if (!cso_option_in_range(&s->row->range, bias))
        return cso_fail(err, s->status, "%s: a bias must be from %g to %g, got %g", s->name, s->row->range.min, s->row->range.max,
                        bias);
    bias_entry *items = cso_arena_alloc(s->arena, list->count + 1, sizeof *items);
    if (!items)
        return cso_fail_memory(err, s->name);
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count] = (bias_entry){(size_t)number, bias};
    *list = (bias_list){items, list->count + 1};
    return CSO_OK;
}

static cso_status fail_type(const setting *s, const char *expected, cso_error *err) {
    return cso_fail(err, s->status, "%s: expected %s", s->name, expected);
}

static cso_status set_texts_json(const setting *s, const cJSON *value, cso_error *err) {
    const cJSON *item;
    *(cso_strings *)s->field = (cso_strings){0};
    if (cJSON_IsString(value))
        return add_text(s, value->valuestring, err);
    if (!cJSON_IsArray(value))
        return fail_type(s, "a text or an array of texts", err);
    cJSON_ArrayForEach(item, value) {
        if (!cJSON_IsString(item))
            return fail_type(s, "an array of texts", err);
        CSO_TRY(add_text(s, item->valuestring, err));
    }
    return CSO_OK;
}

static cso_status set_bias_json(const setting *s, const cJSON *value, cso_error *err) {
    const cJSON *item;
    *(bias_list *)s->field = (bias_list){0};
    if (!cJSON_IsObject(value))
        return fail_type(s, "an object with a number for each token id, {\"42\": -5}", err);
    cJSON_ArrayForEach(item, value) {
        if (!cJSON_IsNumber(item))
            return fail_type(s, "an object with a number for each token id, {\"42\": -5}", err);
        CSO_TRY(add_bias(s, item->string, item->valuedouble, err));
    }
    return CSO_OK;
}

static cso_status set_schema_json(const setting *s, const cJSON *value, cso_error *err) {
    if (!cJSON_IsObject(value) && !cJSON_IsBool(value))
        return fail_type(s, "a JSON Schema, an object", err);
    char *text = cJSON_PrintUnformatted(value);
    if (!text)
        return cso_fail_memory(err, s->name);
    cso_status status = copy_text(s, text, s->field, err);
    cJSON_free(text);
    return status;
}

static cso_status set_json(const setting *s, reply_options *options, const cJSON *value, cso_error *err) {
    switch (s->row->kind) {
    case REPLY_OPTION_LOGPROBS:
        options->logprobs = !cJSON_IsFalse(value);
        options->alternatives = 0;
        if (cJSON_IsBool(value))
            return CSO_OK;
        /* fallthrough */
    case REPLY_OPTION_SIZE:
    case REPLY_OPTION_NUMBER:
        return set_number_json(s, value, err);
    case REPLY_OPTION_SEED:
        if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 0x1p53 ||
            value->valuedouble != floor(value->valuedouble))
            return fail_type(s, "a whole number from 0 to 2^53", err);
        *(uint64_t *)s->field = (uint64_t)value->valuedouble;
        return CSO_OK;
    case REPLY_OPTION_TEXT:
        return cJSON_IsString(value) ? copy_text(s, value->valuestring, s->field, err) : fail_type(s, "a text", err);
    case REPLY_OPTION_TEXTS:
        return set_texts_json(s, value, err);
    case REPLY_OPTION_BIAS:
        return set_bias_json(s, value, err);
    case REPLY_OPTION_SCHEMA:
        return set_schema_json(s, value, err);
    case REPLY_OPTION_FLAG:
        *(bool *)s->field = cJSON_IsTrue(value);
        return cJSON_IsBool(value) ? CSO_OK : fail_type(s, "true or false", err);
    }
    return cso_fail(err, CSO_ERR_INTERNAL, "%s: option of an unknown kind", s->name);
}

/* Of log-probabilities the number of alternatives is what is set. */
static void *field_of(reply_options *options, const reply_option *row) {
    return row->kind == REPLY_OPTION_LOGPROBS ? (void *)&options->alternatives : (char *)options + row->offset;
}

cso_status reply_option_set_json(reply_options *options, const reply_option *row, const cJSON *value, cso_arena *arena,
                                 const char *place, cso_error *err) {
    char name[1024];
    if (cJSON_IsNull(value))
        return CSO_OK;
    snprintf(name, sizeof name, "%.900s: %s", place, row->name);
    const setting s = {row, field_of(options, row), arena, name, CSO_ERR_INPUT};
    return set_json(&s, options, value, err);
}

static cso_status read_schema(const setting *s, const char *path, cso_error *err) {
    cJSON *schema = NULL;
    CSO_TRY(cso_json_read(&schema, path, MAX_SCHEMA_BYTES, err));
    setting own = *s;
    own.name = path;
    own.status = CSO_ERR_INPUT;
    cso_status status = set_schema_json(&own, schema, err);
    cJSON_Delete(schema);
    return status;
}

/* Decimal: no blanks, no hexadecimal, neither NaN nor Inf. */
static bool read_decimal(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && !text[strspn(text, "0123456789+-.eE")];
}

static cso_status read_bias(const setting *s, const char *word, cso_error *err) {
    char id[32];
    const char *equals = strchr(word, '=');
    double bias;
    if (!equals || !read_decimal(equals + 1, &bias) || (size_t)(equals - word) >= sizeof id)
        return cso_fail(err, s->status, "%s: expected ID=NUMBER, found '%s'", s->name, word);
    snprintf(id, sizeof id, "%.*s", (int)(equals - word), word);
    return add_bias(s, id, bias, err);
}

static cso_status read_number(const setting *s, const char *word, cso_error *err) {
    double value;
    if (!read_decimal(word, &value))
        return cso_fail(err, s->status, "%s: expected a %snumber, found '%s'", s->name,
                        s->row->kind == REPLY_OPTION_NUMBER ? "" : "whole ", word);
    return set_number(s, value, word, err);
}

static cso_status read_seed(const setting *s, const char *word, cso_error *err) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end || errno)
        return cso_fail(err, s->status, "%s: expected a whole number, found '%s'", s->name, word);
    *(uint64_t *)s->field = number;
    return CSO_OK;
}

static void option_name(const reply_option *row, char *name, size_t size) {
    snprintf(name, size, "--%s", row->name);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : *c;
}

cso_status reply_option_set_word(reply_options *options, const reply_option *row, const char *word, cso_arena *arena,
                                 cso_error *err) {
    char name[40];
    option_name(row, name, sizeof name);
    const setting s = {row, field_of(options, row), arena, name, CSO_ERR_USAGE};
    switch (row->kind) {
    case REPLY_OPTION_LOGPROBS:
        options->logprobs = true;
        return read_number(&s, word, err);
    case REPLY_OPTION_SIZE:
    case REPLY_OPTION_NUMBER:
        return read_number(&s, word, err);
    case REPLY_OPTION_SEED:
        return read_seed(&s, word, err);
    case REPLY_OPTION_TEXT:
        return copy_text(&s, word, s.field, err);
    case REPLY_OPTION_TEXTS:
        return add_text(&s, word, err);
    case REPLY_OPTION_BIAS:
        return read_bias(&s, word, err);
    case REPLY_OPTION_SCHEMA:
        return read_schema(&s, word, err);
    case REPLY_OPTION_FLAG:
        *(bool *)s.field = true;
        return CSO_OK;
    }
    return cso_fail(err, CSO_ERR_INTERNAL, "%s: option of an unknown kind", name);
}

cso_status reply_options_check(const reply_options *o, const char *place, cso_status status, cso_error *err) {
    if (o->schema && o->choices.count)
        return cso_fail(err, status, "%s: schema and choices exclude each other (expected one of them)", place);
    if (o->after && !o->schema && !o->choices.count)
        return cso_fail(err, status, "%s: after needs schema or choices", place);
    if (o->max_free_tokens && !o->after)
        return cso_fail(err, status, "%s: max_free_tokens needs after", place);
    return CSO_OK;
}

static void add_texts(cso_text *text, const cso_strings *list) {
    cso_text_add(text, "[", 1);
    for (size_t i = 0; i < list->count; i++) {
        cso_text_add(text, ", ", i ? 2 : 0);
        cso_text_json_string(text, list->items[i], strlen(list->items[i]));
    }
    cso_text_add(text, "]", 1);
}

static void add_biases(cso_text *text, const bias_list *list) {
    cso_text_add(text, "{", 1);
    for (size_t i = 0; i < list->count; i++) {
        cso_text_format(text, "%s\"%zu\": ", i ? ", " : "", list->items[i].id);
        cso_text_json_number(text, list->items[i].bias);
    }
    cso_text_add(text, "}", 1);
}

static void add_value(cso_text *text, const reply_options *options, const reply_option *row) {
    const void *field = (const char *)options + row->offset;
    const char *own = row->kind == REPLY_OPTION_TEXT || row->kind == REPLY_OPTION_SCHEMA ? *(const char *const *)field : NULL;
    switch (row->kind) {
    case REPLY_OPTION_SIZE:
        cso_text_format(text, "%zu", *(const size_t *)field);
        break;
    case REPLY_OPTION_NUMBER:
        cso_text_json_number(text, *(const double *)field);
        break;
    case REPLY_OPTION_SEED:
        cso_text_format(text, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case REPLY_OPTION_TEXT:
    case REPLY_OPTION_SCHEMA:
        if (own)
            cso_text_json_string(text, own, strlen(own));
        else
            cso_text_add(text, "null", 4);
        break;
    case REPLY_OPTION_TEXTS:
        add_texts(text, field);
        break;
    case REPLY_OPTION_BIAS:
        add_biases(text, field);
        break;
    case REPLY_OPTION_LOGPROBS:
        cso_text_format(text, options->logprobs ? "%zu" : "null", options->alternatives);
        break;
    case REPLY_OPTION_FLAG:
        cso_text_format(text, *(const bool *)field ? "true" : "false");
        break;
    }
}

void reply_options_text(const reply_options *options, cso_text *text) {
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++) {
        cso_text_format(text, "%s\"%s\": ", i ? ", " : "{", reply_option_rows[i].name);
        add_value(text, options, &reply_option_rows[i]);
    }
    cso_text_add(text, "}", 1);
}
