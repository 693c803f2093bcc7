/* config_kind.c - see config_kind.h. */
#include "config_kind.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "option_value.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20, MAX_TABLES = 32, MAX_TABLE_NAME = 32 };

static void *field_of(void *config, cso_option_place place) {
    return (char *)config + place.offset;
}

size_t config_table_length(const char *key) {
    const char *dot = strrchr(key, '.');
    return dot ? (size_t)(dot - key) : 0;
}

cso_status config_parse_file(cso_toml *toml, const char *path, cso_error *err) {
    char *text = NULL;
    size_t size = 0;
    cso_status status = cso_read_file(path, MAX_CONFIG_BYTES, &text, &size, err);
    if (status == CSO_ERR_INPUT) /* a configuration that cannot be read is a wrong use */
        status = err ? (err->status = CSO_ERR_USAGE) : CSO_ERR_USAGE;
    if (status == CSO_OK)
        status = cso_toml_parse(toml, text, size, path, err);
    free(text);
    return status;
}

/* Names of the tables, which are what keys begin with: "model", "data", ... */
typedef struct table_names {
    char text[MAX_TABLES][MAX_TABLE_NAME];
    const char *items[MAX_TABLES];
    size_t count;
} table_names;

static void find_tables(const config_kind *kind, table_names *tables) {
    cso_option_place place;
    tables->count = 0;
    for (size_t i = 0; tables->count < MAX_TABLES && (place = cso_options_at(kind->options, i)).row; i++) {
        char *name = tables->text[tables->count];
        snprintf(name, MAX_TABLE_NAME, "%.*s", (int)config_table_length(place.row->name), place.row->name);
        if (!tables->count || strcmp(tables->items[tables->count - 1], name) != 0) /* the keys of a table follow one another */
            tables->items[tables->count++] = name;
    }
}

/* Whether it is a table of keys, or one that such a table is in: "role" of "role.judge". */
static bool is_table(const table_names *tables, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < tables->count; i++)
        if (!strncmp(tables->items[i], name, length) && (!tables->items[i][length] || tables->items[i][length] == '.'))
            return true;
    return false;
}

static cso_status fail_unknown_key(const config_kind *kind, const char *name, const char *place, cso_error *err) {
    table_names tables;
    find_tables(kind, &tables);
    if (is_table(&tables, name))
        return cso_fail(err, CSO_ERR_USAGE, "%s: '%s' is a table (expected [%s])", place, name, name);
    char hint[256];
    kind->hint(name, "'", "'", false, hint, sizeof hint);
    return cso_fail(err, CSO_ERR_USAGE, "%s: unknown key '%.200s'%s", place, name, hint);
}

cso_status config_check_table(const config_kind *kind, const char *name, const char *place, cso_error *err) {
    table_names tables;
    find_tables(kind, &tables);
    if (is_table(&tables, name))
        return CSO_OK;
    const cso_option *row = cso_options_find(kind->options, name).row;
    if (row) {
        char expected[256];
        config_expected(row, expected, sizeof expected);
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s: must be %s, got a table", place, name, expected);
    }
    const char *near = cso_did_you_mean(name, tables.items, tables.count);
    if (near)
        return cso_fail(err, CSO_ERR_USAGE, "%s: unknown table [%.200s] (did you mean [%s]?)", place, name, near);
    return cso_fail(err, CSO_ERR_USAGE, "%s: unknown table [%.200s]", place, name);
}

/* SIZE_MAX: there is no such key. */
static size_t key_number(const config_kind *kind, const cso_option *row) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(kind->options, i)).row; i++)
        if (place.row == row)
            return i;
    return SIZE_MAX;
}

bool config_is_given(const config_kind *kind, const void *config, const char *key) {
    size_t number = key_number(kind, cso_options_find(kind->options, key).row);
    return number < kind->max_keys && ((const bool *)((const char *)config + kind->given))[number];
}

void config_mark_given(const config_kind *kind, void *config, const char *key) {
    size_t number = key_number(kind, cso_options_find(kind->options, key).row);
    if (number < kind->max_keys)
        ((bool *)((char *)config + kind->given))[number] = true;
}

cso_status config_apply_entry(const config_kind *kind, void *config, const char *name, const cso_toml_entry *entry,
                              const char *folder, const char *place, cso_error *err) {
    cso_option_place key = cso_options_find(kind->options, name);
    if (!key.row)
        return fail_unknown_key(kind, name, place, err);
    config_mark_given(kind, config, name);
    if (kind->taken)
        kind->taken(config, key.row);
    return config_set(field_of(config, key), key.row, entry, folder, place, err);
}

/* The defaults are TOML too, so that they go through the same checks, and so that help and documentation can show them as they
 * are. */
cso_status config_apply_defaults(const config_kind *kind, void *config, const char *folder, cso_error *err) {
    cso_text text = {0};
    cso_toml toml = {0};
    cso_status status = CSO_OK;
    cso_option_place key;
    for (size_t i = 0; (key = cso_options_at(kind->options, i)).row; i++)
        if (key.row->fallback)
            cso_text_format(&text, "%s = %s\n", key.row->name, key.row->fallback);
    status = text.failed ? cso_fail_memory(err, "the configuration") : cso_toml_parse(&toml, text.data, text.size, "defaults", err);
    for (size_t i = 0; status == CSO_OK && i < toml.count; i++) {
        key = cso_options_find(kind->options, toml.entries[i].key);
        status = config_set(field_of(config, key), key.row, &toml.entries[i], folder, "defaults", err);
    }
    cso_toml_free(&toml);
    free(text.data);
    return status;
}

/* The value of --set as TOML. Shells eat quotes, so where a key takes texts, a word that is neither quoted nor an array is
 * the text itself, and one text stands for a list of one. */
static void override_value(const cso_option *key, const char *value, cso_text *text) {
    bool is_text = key->type == CSO_OPTION_STRING || key->type == CSO_OPTION_PATH || key->type == CSO_OPTION_CHOICE;
    bool is_list = key->type == CSO_OPTION_PATHS || key->type == CSO_OPTION_CHOICES || key->type == CSO_OPTION_STRINGS;
    bool bare = (is_text || is_list) && value[0] != '"' && value[0] != '\'' && value[0] != '[';
    bool wrap = is_list && value[0] != '[';
    cso_text_format(text, "%s = %s", key->name, wrap ? "[" : "");
    if (bare)
        cso_text_json_string(text, value, strlen(value)); /* a JSON string is a TOML basic string */
    else
        cso_text_format(text, "%s", value);
    cso_text_format(text, "%s\n", wrap ? "]" : "");
}

cso_status config_apply_override(const config_kind *kind, void *config, const char *name, const char *value, const char *place,
                                 cso_error *err) {
    cso_text text = {0};
    cso_toml toml = {0};
    cso_status status = CSO_OK;
    const cso_option *key = cso_options_find(kind->options, name).row;
    if (!key)
        return fail_unknown_key(kind, name, place, err);
    override_value(key, value, &text);
    if (text.failed) {
        status = cso_fail_memory(err, "the configuration");
        goto done;
    }
    if (cso_toml_parse(&toml, text.data, text.size, place, NULL) != CSO_OK || toml.count != 1) {
        char expected[256];
        config_expected(key, expected, sizeof expected);
        status = cso_fail(err, CSO_ERR_USAGE, "%s: must be %s", place, expected);
        goto done;
    }
    status = config_apply_entry(kind, config, name, &toml.entries[0], "", place, err);
done:
    cso_toml_free(&toml);
    free(text.data);
    return status;
}

bool config_is_missing(const void *config, cso_option_place place) {
    const void *field = (const char *)config + place.offset;
    if (place.row->fallback)
        return false;
    return place.row->type == CSO_OPTION_PATHS ? !((const cso_strings *)field)->count : !*(char *const *)field;
}

cso_status config_check_required(const config_kind *kind, const void *config, const char *path, cso_error *err) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(kind->options, i)).row; i++)
        if (config_is_missing(config, place))
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s is missing (%s)", path, place.row->name, place.row->help);
    return CSO_OK;
}

void config_clear_all(const config_kind *kind, void *config) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(kind->options, i)).row; i++)
        config_clear(field_of(config, place), place.row);
}

/* "--Learning-Rate" and "learning_rate" are one name, whatever table is before it. */
static bool is_same(const char *asked, const char *key) {
    for (; *asked && *key; asked++, key++)
        if (*asked != *key && !(*asked == '-' && *key == '_') && !(*asked >= 'A' && *asked <= 'Z' && *asked - 'A' + 'a' == *key))
            return false;
    return *asked == *key;
}

/* The key that is called so, in whatever table: of several the one whose whole name is nearest, else the first. */
static const char *find_exact(const cso_option_set *options, const char *name) {
    enum { MAX_SAME = 8 };
    const char *table = strrchr(name, '.'), *last = table ? table + 1 : name, *same[MAX_SAME];
    size_t count = 0;
    cso_option_place place;
    for (size_t i = 0; count < MAX_SAME && (place = cso_options_at(options, i)).row; i++)
        if (is_same(last, strrchr(place.row->name, '.') + 1) || is_same(name, place.row->name))
            same[count++] = place.row->name;
    const char *near = count > 1 && table ? cso_did_you_mean(name, same, count) : NULL;
    return near ? near : count ? same[0] : NULL;
}

const char *config_find_key(const config_kind *kind, const char *name, bool exact) {
    if (exact)
        return find_exact(kind->options, name);
    const char **names = cso_calloc(kind->max_keys, sizeof *names), *near = NULL;
    bool bare = !strchr(name, '.'); /* such a name is compared with keys without their tables */
    size_t count = 0;
    cso_option_place place;
    for (; names && count < kind->max_keys && (place = cso_options_at(kind->options, count)).row; count++)
        names[count] = bare ? strrchr(place.row->name, '.') + 1 : place.row->name;
    near = names ? cso_did_you_mean(name, names, count) : NULL;
    free(names);
    return near && bare ? find_exact(kind->options, near) : near;
}
