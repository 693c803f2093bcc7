/* run_config_value.c - one value: from a TOML entry, checked against its row, into the configuration. */
#include "run_config_keys.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ALL_WORDS[] = "all-linear";

static void list_words(const config_key *key, char *text, size_t size) {
    size_t used = strlen(text);
    for (size_t i = 0; key->words[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", key->words[i]);
}

/* "an integer", "a number" with the bounds behind it. */
static void describe_range(const config_range *range, const char *what, char *text, size_t size) {
    if (range->max == range->min)
        snprintf(text, size, range->above_min ? "%s above %.15g" : "%s of %.15g or more", what, range->min);
    else if (range->max == 2147483647.0) /* the limit of the format, no news to the reader */
        snprintf(text, size, "%s of %.15g or more", what, range->min);
    else
        snprintf(text, size, "%s from %.15g to %s%.15g", what, range->min, range->below_max ? "below " : "", range->max);
}

void config_expected(const config_key *key, char *text, size_t size) {
    switch (key->type) {
    case CONFIG_STRING:
        snprintf(text, size, "a string");
        break;
    case CONFIG_PATH:
        snprintf(text, size, "a path");
        break;
    case CONFIG_PATHS:
        snprintf(text, size, "an array of paths");
        break;
    case CONFIG_CHOICE:
        snprintf(text, size, "one of ");
        list_words(key, text, size);
        break;
    case CONFIG_CHOICES:
        snprintf(text, size, "\"%s\" or an array of ", ALL_WORDS);
        list_words(key, text, size);
        break;
    case CONFIG_SIZE:
    case CONFIG_INTEGER:
    case CONFIG_SEED:
        describe_range(&key->range, "an integer", text, size);
        break;
    case CONFIG_NUMBER:
        describe_range(&key->range, "a number", text, size);
        break;
    case CONFIG_NUMBERS2:
        describe_range(&key->range, "two numbers, each", text, size);
        break;
    case CONFIG_BOOL:
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

static cso_status fail_expected(const config_key *key, const cso_toml_entry *entry, const char *place, cso_error *err) {
    char expected[256], found[160];
    config_expected(key, expected, sizeof expected);
    describe_found(entry, found, sizeof found);
    return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected %s, found %s", place, key->name, expected, found);
}

static bool in_range(const config_range *range, double value) {
    if (!isfinite(value) || value < range->min || (range->above_min && value == range->min))
        return false;
    if (range->max == range->min)
        return true;
    return value <= range->max && !(range->below_max && value == range->max);
}

bool config_is_relative_path(const config_key *key, const char *text) {
    if (key->type != CONFIG_PATH && key->type != CONFIG_PATHS)
        return false;
    if (!text[0] || text[0] == '/' || !strcmp(text, "-"))
        return false;
    for (size_t i = 0; key->words && key->words[i]; i++)
        if (!strcmp(key->words[i], text))
            return false;
    return true;
}

/* A copy of a text, with the folder before it where it is a relative path. */
static char *resolve(const config_key *key, const char *text, const char *folder) {
    return config_is_relative_path(key, text) ? cso_path_resolve(folder, text) : cso_strdup(text);
}

static cso_status set_text(const config_key *key, char **field, const char *text, const char *folder, cso_error *err) {
    char *copy = resolve(key, text, folder);
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

static cso_status set_texts(const config_key *key, cso_strings *field, const char *const *texts, size_t count, const char *folder,
                            cso_error *err) {
    cso_strings list = {cso_calloc(count, sizeof *list.items), 0};
    if (!list.items)
        return cso_fail_memory(err, "the configuration");
    for (; list.count < count; list.count++) {
        list.items[list.count] = resolve(key, texts[list.count], folder);
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

static bool find_word(const config_key *key, const char *text, size_t *index) {
    for (*index = 0; key->words[*index]; ++*index)
        if (!strcmp(key->words[*index], text))
            return true;
    return false;
}

static cso_status fail_word(const config_key *key, const char *text, const char *place, cso_error *err) {
    char expected[256], hint[96] = "";
    config_expected(key, expected, sizeof expected);
    const char *near = cso_did_you_mean(text, key->words, count_words(key->words));
    if (near)
        snprintf(hint, sizeof hint, " (did you mean \"%s\"?)", near);
    return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected %s, found \"%.80s\"%s", place, key->name, expected, text, hint);
}

static cso_status set_choices(const config_key *key, cso_strings *field, const cso_toml_entry *entry, const char *place,
                              cso_error *err) {
    const char *const *texts = (const char *const *)entry->strings;
    size_t count = entry->count, index;
    bool all = entry->type == CSO_TOML_STRING && !strcmp(entry->string, ALL_WORDS);
    if (entry->type == CSO_TOML_STRINGS && count == 1)
        all = !strcmp(texts[0], ALL_WORDS);
    if (all)
        return set_texts(key, field, key->words, count_words(key->words), "", err);
    if (entry->type == CSO_TOML_STRING)
        return fail_word(key, entry->string, place, err);
    if (entry->type != CSO_TOML_STRINGS)
        return fail_expected(key, entry, place, err);
    for (size_t i = 0; i < count; i++) {
        if (!find_word(key, texts[i], &index))
            return fail_word(key, texts[i], place, err);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(texts[i], texts[j]))
                return cso_fail(err, CSO_ERR_USAGE, "%s: %s: \"%s\" is listed twice", place, key->name, texts[i]);
    }
    return set_texts(key, field, texts, count, "", err);
}

static cso_status set_paths(const config_key *key, cso_strings *field, const cso_toml_entry *entry, const char *folder,
                            const char *place, cso_error *err) {
    if (entry->type == CSO_TOML_EMPTY_ARRAY && key->range.min < 1)
        return set_texts(key, field, NULL, 0, folder, err);
    if (entry->type != CSO_TOML_STRINGS)
        return fail_expected(key, entry, place, err);
    for (size_t i = 0; i < entry->count; i++)
        if (!entry->strings[i][0])
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: path %zu is empty", place, key->name, i + 1);
    return set_texts(key, field, (const char *const *)entry->strings, entry->count, folder, err);
}

static cso_status set_numbers(const config_key *key, double field[2], const cso_toml_entry *entry, const char *place,
                              cso_error *err) {
    if (entry->type != CSO_TOML_NUMBERS || entry->count != 2)
        return fail_expected(key, entry, place, err);
    for (size_t i = 0; i < 2; i++)
        if (!in_range(&key->range, entry->numbers[i])) {
            char expected[256];
            config_expected(key, expected, sizeof expected);
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected %s, found %.15g", place, key->name, expected, entry->numbers[i]);
        }
    memcpy(field, entry->numbers, 2 * sizeof *field);
    return CSO_OK;
}

cso_status config_set(cso_run_config *config, const config_key *key, const cso_toml_entry *entry, const char *folder,
                      const char *place, cso_error *err) {
    void *field = config_field(config, key);
    bool is_integer = entry->type == CSO_TOML_INTEGER && in_range(&key->range, (double)entry->integer);
    bool is_number = (entry->type == CSO_TOML_INTEGER || entry->type == CSO_TOML_FLOAT) && in_range(&key->range, entry->number);
    size_t index;
    switch (key->type) {
    case CONFIG_STRING:
    case CONFIG_PATH:
        if (entry->type != CSO_TOML_STRING)
            break;
        if (key->range.min >= 1 && !entry->string[0])
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected a text, found an empty string", place, key->name);
        return set_text(key, field, entry->string, folder, err);
    case CONFIG_PATHS:
        return set_paths(key, field, entry, folder, place, err);
    case CONFIG_CHOICE:
        if (entry->type != CSO_TOML_STRING)
            break;
        if (!find_word(key, entry->string, &index))
            return fail_word(key, entry->string, place, err);
        *(int *)field = (int)index;
        return CSO_OK;
    case CONFIG_CHOICES:
        return set_choices(key, field, entry, place, err);
    case CONFIG_SIZE:
        if (!is_integer)
            break;
        *(size_t *)field = (size_t)entry->integer;
        return CSO_OK;
    case CONFIG_INTEGER:
        if (!is_integer)
            break;
        *(int64_t *)field = entry->integer;
        return CSO_OK;
    case CONFIG_SEED:
        if (!is_integer)
            break;
        *(uint64_t *)field = (uint64_t)entry->integer;
        return CSO_OK;
    case CONFIG_NUMBER:
        if (!is_number)
            break;
        *(double *)field = entry->number;
        return CSO_OK;
    case CONFIG_NUMBERS2:
        return set_numbers(key, field, entry, place, err);
    case CONFIG_BOOL:
        if (entry->type != CSO_TOML_BOOL)
            break;
        *(bool *)field = entry->boolean;
        return CSO_OK;
    }
    return fail_expected(key, entry, place, err);
}
