/* run_config_print.c - the configuration in full, as TOML that reads back equal, and the list of keys for --help-config. */
#include "config.h"

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "run_config_keys.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number in the fewest digits that read back equal, with a point or exponent, so that it stays a float. */
static void print_number(cso_text *text, double value) {
    char digits[CSO_NUMBER_TEXT];
    cso_number_text(digits, value, 1);
    cso_text_format(text, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

/* Relative paths are written absolute: the file is read again from another folder. */
static void print_text(cso_text *text, const config_key *key, const char *value, const char *folder) {
    char *absolute = config_is_relative_path(key, value) ? cso_path_join(folder, value) : NULL;
    if (config_is_relative_path(key, value) && !absolute)
        text->failed = true;
    const char *written = absolute ? absolute : value;
    cso_text_json_string(text, written, strlen(written));
    free(absolute);
}

static void print_value(cso_text *text, const config_key *key, const void *field, const char *folder) {
    switch (key->type) {
    case CONFIG_STRING:
    case CONFIG_PATH:
        print_text(text, key, *(char *const *)field, folder);
        break;
    case CONFIG_PATHS:
    case CONFIG_CHOICES: {
        const cso_strings *list = field;
        cso_text_add(text, "[", 1);
        for (size_t i = 0; i < list->count; i++) {
            cso_text_format(text, "%s", i ? ", " : "");
            print_text(text, key, list->items[i], folder);
        }
        cso_text_add(text, "]", 1);
        break;
    }
    case CONFIG_CHOICE:
        cso_text_format(text, "\"%s\"", key->words[*(const int *)field]);
        break;
    case CONFIG_SIZE:
        cso_text_format(text, "%zu", *(const size_t *)field);
        break;
    case CONFIG_INTEGER:
        cso_text_format(text, "%lld", (long long)*(const int64_t *)field);
        break;
    case CONFIG_SEED:
        cso_text_format(text, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CONFIG_NUMBER:
        print_number(text, *(const double *)field);
        break;
    case CONFIG_NUMBERS2: {
        const double *numbers = field;
        cso_text_add(text, "[", 1);
        print_number(text, numbers[0]);
        cso_text_add(text, ", ", 2);
        print_number(text, numbers[1]);
        cso_text_add(text, "]", 1);
        break;
    }
    case CONFIG_BOOL:
        cso_text_format(text, *(const bool *)field ? "true" : "false");
        break;
    }
}

cso_status cso_run_config_print(const cso_run_config *config, char **text, cso_error *err) {
    char folder[PATH_MAX];
    *text = NULL;
    if (!getcwd(folder, sizeof folder))
        return cso_fail_errno(err, "find", "the current folder");
    cso_text out = {0};
    const char *table = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const config_key *key = &config_keys[i];
        size_t table_length = strcspn(key->name, ".");
        if (!strncmp(key->name, "lora.", 5) && !config->lora.present)
            continue;
        if (strlen(table) < table_length || strncmp(table, key->name, table_length + 1)) {
            cso_text_format(&out, "%s[%.*s]\n", table[0] ? "\n" : "", (int)table_length, key->name);
            table = key->name;
        }
        cso_text_format(&out, "%s = ", key->name + table_length + 1);
        print_value(&out, key, config_field_const(config, key), folder);
        cso_text_add(&out, "\n", 1);
    }
    if (out.failed) {
        free(out.data);
        return cso_fail_memory(err, "the configuration");
    }
    *text = out.data;
    return CSO_OK;
}

void cso_run_config_help(void (*line)(void *context, const char *text), void *context) {
    for (size_t i = 0; i < config_key_count; i++) {
        const config_key *key = &config_keys[i];
        char expected[256], text[768];
        config_expected(key, expected, sizeof expected);
        snprintf(text, sizeof text, "%s = %s  # %s: %s", key->name, key->fallback ? key->fallback : "(needed)", expected,
                 key->help);
        line(context, text);
    }
}
