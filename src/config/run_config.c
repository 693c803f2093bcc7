/* run_config.c - what fills one configuration: defaults, entries of the file and overrides, each through the table of keys. The order is
 * that of run_configs.c. */
#include "run_config_parts.h"

#include "base/did_you_mean.h"
#include "base/memory.h"
#include "base/text.h"
#include "io/json.h"
#include "run_config_value.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLES = 16, MAX_TABLE_NAME = 24 };

/* Names of the tables, which are what keys begin with: "model", "data", ... */
typedef struct table_names {
    char text[MAX_TABLES][MAX_TABLE_NAME];
    const char *items[MAX_TABLES];
    size_t count;
} table_names;

static void find_tables(table_names *tables) {
    cso_option_place place;
    tables->count = 0;
    for (size_t i = 0; tables->count < MAX_TABLES && (place = cso_options_at(&cso_run_options, i)).row; i++) {
        char *name = tables->text[tables->count];
        snprintf(name, MAX_TABLE_NAME, "%.*s", (int)strcspn(place.row->name, "."), place.row->name);
        if (!tables->count || strcmp(tables->items[tables->count - 1], name) != 0) /* the keys of a table follow one another */
            tables->items[tables->count++] = name;
    }
}

static bool is_table(const table_names *tables, const char *name) {
    for (size_t i = 0; i < tables->count; i++)
        if (!strcmp(tables->items[i], name))
            return true;
    return false;
}

static cso_status fail_unknown_key(const char *name, const char *place, cso_error *err) {
    table_names tables;
    find_tables(&tables);
    if (is_table(&tables, name))
        return cso_fail(err, CSO_ERR_USAGE, "%s: '%s' is a table (expected [%s])", place, name, name);
    char hint[256];
    cso_run_config_hint(name, "'", "'", false, hint, sizeof hint);
    return cso_fail(err, CSO_ERR_USAGE, "%s: unknown key '%.200s'%s", place, name, hint);
}

cso_status config_check_table(const char *name, const char *place, cso_error *err) {
    table_names tables;
    find_tables(&tables);
    if (is_table(&tables, name))
        return CSO_OK;
    const cso_option *row = cso_options_find(&cso_run_options, name).row;
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
static size_t key_number(const cso_option *row) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++)
        if (place.row == row)
            return i;
    return SIZE_MAX;
}

bool cso_run_config_given(const cso_run_config *config, const char *key) {
    size_t number = key_number(cso_options_find(&cso_run_options, key).row);
    return number < CSO_RUN_MAX_KEYS && config->given[number];
}

void config_mark_given(cso_run_config *config, const char *key) {
    size_t number = key_number(cso_options_find(&cso_run_options, key).row);
    if (number < CSO_RUN_MAX_KEYS)
        config->given[number] = true;
}

cso_status config_apply_entry(cso_run_config *config, const char *name, const cso_toml_entry *entry, const char *folder,
                              const char *place, cso_error *err) {
    cso_option_place key = cso_options_find(&cso_run_options, name);
    if (!key.row)
        return fail_unknown_key(name, place, err);
    config_mark_given(config, name);
    if (cso_starts_with(key.row->name, "lora."))
        config->lora.present = true;
    return config_set(config_field(config, key), key.row, entry, folder, place, err);
}

/* The defaults are TOML too, so that they go through the same checks, and so that help and documentation can show them as they
 * are. */
cso_status config_apply_defaults(cso_run_config *config, const char *folder, cso_error *err) {
    cso_text text = {0};
    cso_toml toml = {0};
    cso_status status = CSO_OK;
    cso_option_place key;
    for (size_t i = 0; (key = cso_options_at(&cso_run_options, i)).row; i++)
        if (key.row->fallback)
            cso_text_format(&text, "%s = %s\n", key.row->name, key.row->fallback);
    status = text.failed ? cso_fail_memory(err, "the configuration") : cso_toml_parse(&toml, text.data, text.size, "defaults", err);
    for (size_t i = 0; status == CSO_OK && i < toml.count; i++)
        status = config_apply_entry(config, toml.entries[i].key, &toml.entries[i], folder, "defaults", err);
    config->lora.present = false;
    memset(config->given, 0, sizeof config->given);
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

cso_status config_apply_override(cso_run_config *config, const char *name, const char *value, const char *place, cso_error *err) {
    cso_text text = {0};
    cso_toml toml = {0};
    cso_status status = CSO_OK;
    const cso_option *key = cso_options_find(&cso_run_options, name).row;
    if (!key)
        return fail_unknown_key(name, place, err);
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
    status = config_apply_entry(config, name, &toml.entries[0], "", place, err);
done:
    cso_toml_free(&toml);
    free(text.data);
    return status;
}

cso_status config_check_required(const cso_run_config *config, const char *path, cso_error *err) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++) {
        const cso_option *key = place.row;
        const void *field = config_field_const(config, place);
        if (key->fallback)
            continue;
        bool missing = key->type == CSO_OPTION_PATHS ? !((const cso_strings *)field)->count : !*(char *const *)field;
        if (missing)
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s is missing (%s)", path, key->name, key->help);
    }
    return CSO_OK;
}

void cso_run_config_free(cso_run_config *config) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++)
        config_clear(config_field(config, place), place.row);
    free(config->path);
    free(config->stage.name);
    *config = (cso_run_config){0};
}
