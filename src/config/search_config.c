/* search_config.c - see search_config.h. */
#include "search_config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config_kind.h"
#include "config_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const config_kind search_kind = {
    .options = &cso_search_keys,
    .given = offsetof(cso_search_config, given),
    .max_keys = CSO_SEARCH_MAX_KEYS,
    .hint = cso_search_config_hint,
};

void cso_search_config_hint(const char *name, const char *before, const char *after, bool exact, char *text, size_t size) {
    text[0] = '\0';
    const char *key = config_find_key(&search_kind, name, true);
    if (!key && !exact)
        key = config_find_key(&search_kind, name, false);
    if (key)
        snprintf(text, size, " (did you mean %s%s%s?)", before, key, after);
}

static cso_status apply_file(cso_search_config *config, const cso_toml *toml, const char *folder, cso_error *err) {
    char place[CONFIG_MAX_PLACE];
    for (size_t i = 0; i < toml->count; i++) {
        const cso_toml_entry *entry = &toml->entries[i];
        snprintf(place, sizeof place, "%s:%d", config->path, entry->line);
        CSO_TRY(config_apply_entry(&search_kind, config, entry->key, entry, folder, place, err));
    }
    for (size_t i = 0; i < toml->table_count; i++)
        CSO_TRY(config_check_table(&search_kind, toml->tables[i], config->path, err));
    return CSO_OK;
}

static cso_status apply_override(cso_search_config *config, const char *override, cso_error *err) {
    char place[CONFIG_MAX_PLACE];
    const char *equals = strchr(override, '=');
    snprintf(place, sizeof place, "--set %s", override);
    if (!equals || equals == override)
        return cso_fail(err, CSO_ERR_USAGE, "%s: expected KEY=VALUE", place);
    char *name = cso_strndup(override, (size_t)(equals - override));
    if (!name)
        return cso_fail_memory(err, "the configuration");
    cso_status status = config_apply_override(&search_kind, config, name, equals + 1, place, err);
    free(name);
    return status;
}

cso_status cso_search_config_read(cso_search_config *config, const char *path, const char *const *overrides, size_t override_count,
                                  cso_error *err) {
    cso_toml toml = {0};
    cso_status status;
    *config = (cso_search_config){.path = cso_strdup(path)};
    char *folder = cso_path_folder(path);
    if (!folder || !config->path)
        CSO_TRY_DONE(cso_fail_memory(err, "the configuration"));
    CSO_TRY_DONE(config_parse_file(&toml, path, err));
    CSO_TRY_DONE(config_apply_defaults(&search_kind, config, folder, err));
    CSO_TRY_DONE(apply_file(config, &toml, folder, err));
    for (size_t i = 0; i < override_count; i++)
        CSO_TRY_DONE(apply_override(config, overrides[i], err));
    CSO_TRY_DONE(config_check_required(&search_kind, config, path, err));
    CSO_TRY_DONE(cso_search_config_check(config, err));
done:
    cso_toml_free(&toml);
    free(folder);
    if (status != CSO_OK)
        cso_search_config_free(config);
    return status;
}

void cso_search_config_free(cso_search_config *config) {
    config_clear_all(&search_kind, config);
    free(config->path);
    *config = (cso_search_config){0};
}

bool cso_search_config_given(const cso_search_config *config, const char *key) {
    return config_is_given(&search_kind, config, key);
}

cso_status cso_search_config_print(const cso_search_config *config, char **text, cso_error *err) {
    config_printer printer;
    cso_option_place place;
    CSO_TRY(config_printer_open(&printer, err));
    for (size_t i = 0; (place = cso_options_at(&cso_search_keys, i)).row; i++)
        config_print_key(&printer, config, place, "");
    return config_printer_close(&printer, text, err);
}

void cso_search_config_help(void (*line)(void *context, const char *text), void *context) {
    config_help(&search_kind, line, context);
}
