/* option_value.c - one value: from a TOML entry, checked against its row, into its field. */
#include "option_value.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ALL_WORDS[] = "all-linear";

static void list_words(const cso_option *row, char *text, size_t size) {
    size_t used = strlen(text);
    for (size_t i = 0; row->words[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", row->words[i]);
}

/* The bounds, without an upper one that is only the limit of the format. */
static cso_option_range visible_range(const cso_option_range *range) {
    cso_option_range visible = *range;
    if (range->max == CSO_OPTION_INT32_MAX)
        visible.max = range->min;
    return visible;
}

static void describe_range(const cso_option_range *range, const char *what, char *text, size_t size) {
    const cso_option_range visible = visible_range(range);
    char bounds[80];
    cso_option_range_text(&visible, bounds, sizeof bounds);
    snprintf(text, size, "%s %s", what, bounds);
}

void config_expected(const cso_option *row, char *text, size_t size) {
    switch (row->type) {
    case CSO_OPTION_STRING:
        snprintf(text, size, "a string");
        break;
    case CSO_OPTION_PATH:
        snprintf(text, size, "a path");
        break;
    case CSO_OPTION_PATHS:
        snprintf(text, size, "an array of paths");
        break;
    case CSO_OPTION_STRINGS:
        snprintf(text, size, "an array of strings");
        break;
    case CSO_OPTION_CHOICE:
        snprintf(text, size, "one of ");
        list_words(row, text, size);
        break;
    case CSO_OPTION_CHOICES:
        snprintf(text, size, "\"%s\" or an array of ", ALL_WORDS);
        list_words(row, text, size);
        break;
    case CSO_OPTION_SIZE:
    case CSO_OPTION_INTEGER:
    case CSO_OPTION_SEED:
        describe_range(&row->range, "an integer", text, size);
        break;
    case CSO_OPTION_NUMBER:
        describe_range(&row->range, "a number", text, size);
        break;
    case CSO_OPTION_NUMBERS2:
        describe_range(&row->range, "two numbers, each", text, size);
        break;
    case CSO_OPTION_NUMBERS4:
        describe_range(&row->range, "four numbers, each", text, size);
        break;
    case CSO_OPTION_NUMBERS:
        describe_range(&row->range, "an array of numbers, each", text, size);
        break;
    case CSO_OPTION_BOOL:
        snprintf(text, size, "true or false");
        break;
    }
}

static void describe_found(const cso_toml_entry *entry, char *text, size_t size) {
    switch (entry->type) {
    case CSO_TOML_STRING:
        snprintf(text, size, "the string \"%.80s\"", entry->string);
        break;
    case CSO_TOML_INTEGER:
        snprintf(text, size, "%lld", (long long)entry->integer);
        break;
    case CSO_TOML_FLOAT:
        if (isfinite(entry->number) && entry->number == floor(entry->number) && fabs(entry->number) < 1e15)
            snprintf(text, size, "%.1f", entry->number);
        else
            snprintf(text, size, "%.15g", entry->number);
        break;
    case CSO_TOML_BOOL:
        snprintf(text, size, entry->boolean ? "true" : "false");
        break;
    case CSO_TOML_STRINGS:
        snprintf(text, size, "an array of %zu strings", entry->count);
        break;
    case CSO_TOML_NUMBERS:
        snprintf(text, size, "an array of %zu numbers", entry->count);
        break;
    case CSO_TOML_EMPTY_ARRAY:
        snprintf(text, size, "an empty array");
        break;
    default:
        snprintf(text, size, "a date, a mixed array or another kind of value");
        break;
    }
}

static cso_status fail_expected(const cso_option *row, const cso_toml_entry *entry, const char *where, cso_error *err) {
    char expected[256], found[160];
    config_expected(row, expected, sizeof expected);
    describe_found(entry, found, sizeof found);
    return cso_fail(err, CSO_ERR_USAGE, "%s: %s: must be %s, got %s", where, row->name, expected, found);
}

/* A number of the right type that is out of bounds. */
static cso_status fail_range(const cso_option *row, double value, const char *found, const char *where, cso_error *err) {
    const cso_option_range visible = visible_range(&row->range);
    char bounds[80];
    cso_option_range_text(value > row->range.min ? &row->range : &visible, bounds, sizeof bounds);
    return cso_fail(err, CSO_ERR_USAGE, "%s: %s: must be %s, got %s", where, row->name, bounds, found);
}

static cso_status check_number(const cso_option *row, const cso_toml_entry *entry, const char *where, cso_error *err) {
    bool integer = entry->type == CSO_TOML_INTEGER;
    char found[160];
    if (!integer && (row->type != CSO_OPTION_NUMBER || entry->type != CSO_TOML_FLOAT))
        return fail_expected(row, entry, where, err);
    double value = integer ? (double)entry->integer : entry->number;
    if (cso_option_in_range(&row->range, value))
        return CSO_OK;
    describe_found(entry, found, sizeof found);
    return fail_range(row, value, found, where, err);
}

bool config_is_relative_path(const cso_option *row, const char *text) {
    if (row->type != CSO_OPTION_PATH && row->type != CSO_OPTION_PATHS)
        return false;
    if (!text[0] || text[0] == '/' || !strcmp(text, "-"))
        return false;
    if (row->words && cso_starts_with(text, "stage:")) /* lora.init and loss.reference: the adapter of an earlier stage */
        return false;
    for (size_t i = 0; row->words && row->words[i]; i++)
        if (!strcmp(row->words[i], text))
            return false;
    return true;
}

/* A copy of a text, with the folder before it where it is a relative path. */
static char *resolve(const cso_option *row, const char *text, const char *folder) {
    return config_is_relative_path(row, text) ? cso_path_resolve(folder, text) : cso_strdup(text);
}

static cso_status set_text(const cso_option *row, char **field, const char *text, const char *folder, cso_error *err) {
    char *copy = resolve(row, text, folder);
    if (!copy)
        return cso_fail_memory(err, "the configuration");
    free(*field);
    *field = copy;
    return CSO_OK;
}

static void free_strings(cso_strings *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (cso_strings){0};
}

static cso_status set_texts(const cso_option *row, cso_strings *field, const char *const *texts, size_t count, const char *folder,
                            cso_error *err) {
    cso_strings list = {cso_calloc(count, sizeof *list.items), 0};
    if (!list.items)
        return cso_fail_memory(err, "the configuration");
    for (; list.count < count; list.count++) {
        list.items[list.count] = resolve(row, texts[list.count], folder);
        if (!list.items[list.count]) {
            free_strings(&list);
            return cso_fail_memory(err, "the configuration");
        }
    }
    free_strings(field);
    *field = list;
    return CSO_OK;
}

static size_t count_words(const char *const *words) {
    size_t count = 0;
    while (words[count])
        count++;
    return count;
}

static cso_status fail_word(const cso_option *row, const char *text, const char *where, cso_error *err) {
    char expected[256], hint[96] = "";
    config_expected(row, expected, sizeof expected);
    const char *near = cso_did_you_mean(text, row->words, count_words(row->words));
    if (near)
        snprintf(hint, sizeof hint, " (did you mean \"%s\"?)", near);
    return cso_fail(err, CSO_ERR_USAGE, "%s: %s: must be %s, got \"%.80s\"%s", where, row->name, expected, text, hint);
}

static cso_status set_choices(const cso_option *row, cso_strings *field, const cso_toml_entry *entry, const char *where,
                              cso_error *err) {
    const char *const *texts = (const char *const *)entry->strings;
    size_t count = entry->count, index;
    bool all = entry->type == CSO_TOML_STRING && !strcmp(entry->string, ALL_WORDS);
    if (entry->type == CSO_TOML_STRINGS && count == 1)
        all = !strcmp(texts[0], ALL_WORDS);
    if (all)
        return set_texts(row, field, row->words, count_words(row->words), "", err);
    if (entry->type == CSO_TOML_STRING)
        return fail_word(row, entry->string, where, err);
    if (entry->type != CSO_TOML_STRINGS)
        return fail_expected(row, entry, where, err);
    for (size_t i = 0; i < count; i++) {
        if (!cso_word_find(row->words, texts[i], &index))
            return fail_word(row, texts[i], where, err);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(texts[i], texts[j]))
                return cso_fail(err, CSO_ERR_USAGE, "%s: %s: \"%s\" is listed twice", where, row->name, texts[i]);
    }
    return set_texts(row, field, texts, count, "", err);
}

static cso_status set_paths(const cso_option *row, cso_strings *field, const cso_toml_entry *entry, const char *folder,
                            const char *where, cso_error *err) {
    if (entry->type == CSO_TOML_EMPTY_ARRAY && row->range.min < 1)
        return set_texts(row, field, NULL, 0, folder, err);
    if (entry->type != CSO_TOML_STRINGS)
        return fail_expected(row, entry, where, err);
    for (size_t i = 0; i < entry->count; i++)
        if (!entry->strings[i][0])
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: path %zu is empty", where, row->name, i + 1);
    return set_texts(row, field, (const char *const *)entry->strings, entry->count, folder, err);
}

static cso_status check_numbers(const cso_option *row, const cso_toml_entry *entry, size_t count, const char *where,
                                cso_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!cso_option_in_range(&row->range, entry->numbers[i])) {
            char found[40];
            snprintf(found, sizeof found, "%.15g", entry->numbers[i]);
            return fail_range(row, entry->numbers[i], found, where, err);
        }
    return CSO_OK;
}

static cso_status set_strings(const cso_option *row, cso_strings *field, const cso_toml_entry *entry, const char *where,
                              cso_error *err) {
    if (entry->type == CSO_TOML_EMPTY_ARRAY)
        return set_texts(row, field, NULL, 0, "", err);
    if (entry->type != CSO_TOML_STRINGS)
        return fail_expected(row, entry, where, err);
    return set_texts(row, field, (const char *const *)entry->strings, entry->count, "", err);
}

/* A list of any length. */
static cso_status set_number_list(const cso_option *row, cso_numbers *field, const cso_toml_entry *entry, const char *where,
                                  cso_error *err) {
    size_t count = entry->type == CSO_TOML_EMPTY_ARRAY ? 0 : entry->count;
    if (entry->type != CSO_TOML_EMPTY_ARRAY && entry->type != CSO_TOML_NUMBERS)
        return fail_expected(row, entry, where, err);
    CSO_TRY(check_numbers(row, entry, count, where, err));
    double *items = cso_calloc(count, sizeof *items);
    if (!items)
        return cso_fail_memory(err, "the configuration");
    if (count)
        memcpy(items, entry->numbers, count * sizeof *items);
    free(field->items);
    *field = (cso_numbers){items, count};
    return CSO_OK;
}

static cso_status set_numbers(const cso_option *row, double *field, const cso_toml_entry *entry, const char *where,
                              cso_error *err) {
    size_t count = cso_option_parts(row);
    if (entry->type != CSO_TOML_NUMBERS || entry->count != count)
        return fail_expected(row, entry, where, err);
    CSO_TRY(check_numbers(row, entry, count, where, err));
    memcpy(field, entry->numbers, count * sizeof *field);
    return CSO_OK;
}

cso_status config_set(void *field, const cso_option *row, const cso_toml_entry *entry, const char *folder, const char *where,
                      cso_error *err) {
    size_t index;
    switch (row->type) {
    case CSO_OPTION_STRING:
    case CSO_OPTION_PATH:
        if (entry->type != CSO_TOML_STRING)
            break;
        if (row->range.min >= 1 && !entry->string[0])
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: must not be empty", where, row->name);
        return set_text(row, field, entry->string, folder, err);
    case CSO_OPTION_PATHS:
        return set_paths(row, field, entry, folder, where, err);
    case CSO_OPTION_CHOICE:
        if (entry->type != CSO_TOML_STRING)
            break;
        if (!cso_word_find(row->words, entry->string, &index))
            return fail_word(row, entry->string, where, err);
        *(int *)field = (int)index;
        return CSO_OK;
    case CSO_OPTION_CHOICES:
        return set_choices(row, field, entry, where, err);
    case CSO_OPTION_SIZE:
        CSO_TRY(check_number(row, entry, where, err));
        *(size_t *)field = (size_t)entry->integer;
        return CSO_OK;
    case CSO_OPTION_INTEGER:
        CSO_TRY(check_number(row, entry, where, err));
        *(int64_t *)field = entry->integer;
        return CSO_OK;
    case CSO_OPTION_SEED:
        CSO_TRY(check_number(row, entry, where, err));
        *(uint64_t *)field = (uint64_t)entry->integer;
        return CSO_OK;
    case CSO_OPTION_NUMBER:
        CSO_TRY(check_number(row, entry, where, err));
        *(double *)field = entry->number;
        return CSO_OK;
    case CSO_OPTION_STRINGS:
        return set_strings(row, field, entry, where, err);
    case CSO_OPTION_NUMBERS:
        return set_number_list(row, field, entry, where, err);
    case CSO_OPTION_NUMBERS2:
    case CSO_OPTION_NUMBERS4:
        return set_numbers(row, field, entry, where, err);
    case CSO_OPTION_BOOL:
        if (entry->type != CSO_TOML_BOOL)
            break;
        *(bool *)field = entry->boolean;
        return CSO_OK;
    }
    return fail_expected(row, entry, where, err);
}

void config_clear(void *field, const cso_option *row) {
    if (row->type == CSO_OPTION_STRING || row->type == CSO_OPTION_PATH) {
        free(*(char **)field);
        *(char **)field = NULL;
    } else if (row->type == CSO_OPTION_PATHS || row->type == CSO_OPTION_CHOICES || row->type == CSO_OPTION_STRINGS) {
        free_strings(field);
    } else if (row->type == CSO_OPTION_NUMBERS) {
        free(((cso_numbers *)field)->items);
        *(cso_numbers *)field = (cso_numbers){0};
    }
}
