/* run_stages.c - [[stage]] tables: their names, which keys they may have, and how one goes on from the other. */
#include "run_config_parts.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STAGES = 64, MAX_NAME = 64 };
static const char STAGE_WORD[] = "stage:";

const char *stage_key(const char *name, int *stage) {
    static const char before[] = "stage[";
    *stage = NO_STAGE;
    if (!cso_starts_with(name, before))
        return name;
    char *end;
    long index = strtol(name + sizeof before - 1, &end, 10);
    if (end[0] != ']' || end[1] != '.' || index >= MAX_STAGES)
        return name;
    *stage = (int)index;
    return end + 2;
}

static bool find_name(const char *const *names, size_t count, const char *name, size_t *index) {
    for (*index = 0; *index < count; ++*index)
        if (!strcmp(names[*index], name))
            return true;
    return false;
}

static cso_status fail_no_stage(const char *const *names, size_t count, const char *name, const char *place, cso_error *err) {
    const char *near = cso_did_you_mean(name, names, count);
    if (!count)
        return cso_fail(err, CSO_ERR_USAGE, "%s: there are no stages (expected [[stage]] tables)", place);
    if (near)
        return cso_fail(err, CSO_ERR_USAGE, "%s: there is no stage '%.64s' (did you mean '%s'?)", place, name, near);
    return cso_fail(err, CSO_ERR_USAGE, "%s: there is no stage '%.64s'", place, name);
}

cso_status stage_split_override(const config_source *source, const char *override, int *stage, char **name, const char **value,
                                cso_error *err) {
    static const char before[] = "stage.";
    char place[CONFIG_MAX_PLACE];
    const char *equals = strchr(override, '='), *key = override;
    size_t index;
    *name = NULL;
    *stage = NO_STAGE;
    snprintf(place, sizeof place, "--set %s", override);
    if (!equals || equals == override)
        return cso_fail(err, CSO_ERR_USAGE, "%s: expected KEY=VALUE", place);
    const char *dot = cso_starts_with(override, before) ? strchr(override + sizeof before - 1, '.') : NULL;
    if (dot && dot < equals) {
        char *of = cso_strndup(override + sizeof before - 1, (size_t)(dot - override) - (sizeof before - 1));
        if (!of)
            return cso_fail_memory(err, "the configuration");
        bool found = find_name(source->stages, source->stage_count, of, &index);
        cso_status status = found ? CSO_OK : fail_no_stage(source->stages, source->stage_count, of, place, err);
        free(of);
        CSO_TRY(status);
        *stage = (int)index;
        key = dot + 1;
    }
    *value = equals + 1;
    *name = cso_strndup(key, (size_t)(equals - key));
    return *name ? CSO_OK : cso_fail_memory(err, "the configuration");
}

static bool is_name(const char *text) {
    size_t length = strlen(text);
    for (const char *c = text; *c; c++)
        if (!cso_is_letter_or_digit(*c) && *c != '-' && *c != '_')
            return false;
    return length > 0 && length <= MAX_NAME;
}

/* The [[stage]] tables of the file; it may be an inline array, too. NULL: none. */
static cso_status find_array(const cso_toml *toml, const char *path, const cso_toml_entry **array, cso_error *err) {
    *array = NULL;
    for (size_t i = 0; i < toml->table_count; i++)
        if (!strcmp(toml->tables[i], "stage"))
            return cso_fail(err, CSO_ERR_USAGE, "%s: [stage] is one table (expected [[stage]], once for each stage)", path);
    for (size_t i = 0; i < toml->count; i++)
        if (!strcmp(toml->entries[i].key, "stage"))
            *array = &toml->entries[i];
    if (*array && (*array)->type != CSO_TOML_TABLES)
        return cso_fail(err, CSO_ERR_USAGE, "%s:%d: stage: must be [[stage]] tables", path, (*array)->line);
    if (*array && (*array)->count > MAX_STAGES)
        return cso_fail(err, CSO_ERR_USAGE, "%s:%d: there are %zu stages (expected at most %d)", path, (*array)->line,
                        (*array)->count, MAX_STAGES);
    return CSO_OK;
}

static cso_status take_name(const cso_toml_entry *entry, const char *path, const char **names, size_t count, int stage,
                            cso_error *err) {
    size_t index;
    if (entry->type != CSO_TOML_STRING || !is_name(entry->string))
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s:%d: stage %d: name must be 1 to %d letters, digits, '-' and '_', as it is part of a folder's name",
                        path, entry->line, stage + 1, MAX_NAME);
    for (index = 0; index < count; index++)
        if (names[index] && !strcmp(names[index], entry->string))
            return cso_fail(err, CSO_ERR_USAGE, "%s:%d: stages %zu and %d are both called '%s'", path, entry->line, index + 1,
                            stage + 1, entry->string);
    names[stage] = entry->string;
    return CSO_OK;
}

cso_status stage_find_names(const cso_toml *toml, const char *path, const char ***names, size_t *count, cso_error *err) {
    const cso_toml_entry *array;
    int stage;
    *names = NULL;
    *count = 0;
    CSO_TRY(find_array(toml, path, &array, err));
    if (!array)
        return CSO_OK;
    *count = array->count;
    if (!(*names = cso_calloc(*count, sizeof **names)))
        return cso_fail_memory(err, "the configuration");
    for (size_t i = 0; i < toml->count; i++)
        if (!strcmp(stage_key(toml->entries[i].key, &stage), "name") && stage != NO_STAGE)
            CSO_TRY(take_name(&toml->entries[i], path, *names, *count, stage, err));
    for (size_t i = 0; i < *count; i++)
        if (!(*names)[i])
            return cso_fail(err, CSO_ERR_USAGE, "%s: stage %zu of %zu has no name (expected name = \"...\" after [[stage]])", path,
                            i + 1, *count);
    return CSO_OK;
}

cso_status stage_check_key(const char *name, const char *place, cso_error *err) {
    bool model = !strcmp(name, "model") || cso_starts_with(name, "model.");
    if (model || !strcmp(name, "checkpoint.dir"))
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s is that of all stages (expected it in the common [%s])", place, name,
                        model ? "model" : "checkpoint");
    return CSO_OK;
}

static bool is_overridden(const config_source *source, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < source->override_count; i++)
        if (!strncmp(source->overrides[i], name, length) && source->overrides[i][length] == '=')
            return true;
    return false;
}

/* Whether a key of the stage's own takes the place of a common one. What --set says of all stages stays, as if the stage had it. */
static bool takes_place(cso_run_config *stage, const config_source *source, const char *own, const char *other) {
    if (!cso_run_config_given(stage, own) || cso_run_config_given(stage, other))
        return false;
    if (!is_overridden(source, other))
        return true;
    config_mark_given(&run_config_kind, stage, other);
    return false;
}

void stage_displace(cso_run_config *stage, const config_source *source) {
    if (takes_place(stage, source, "loss.type", "loss.types")) {
        for (size_t i = 0; i < stage->loss.types.count; i++)
            free(stage->loss.types.items[i]);
        stage->loss.types.count = 0;
        stage->loss.weights.count = 0;
    }
    if (takes_place(stage, source, "train.epochs", "train.max_steps"))
        stage->train.max_steps = 0;
    if (takes_place(stage, source, "train.warmup_ratio", "train.warmup_steps"))
        stage->train.warmup_steps = -1;
}

/* "stage:NAME" becomes the folder of that stage's adapter. */
static cso_status resolve(cso_run_configs *configs, size_t number, const char *key, char **text, cso_error *err) {
    cso_run_config *config = &configs->items[number];
    size_t index = 0;
    char place[CONFIG_MAX_PLACE];
    if (!cso_starts_with(*text, STAGE_WORD))
        return CSO_OK;
    const char *name = *text + sizeof STAGE_WORD - 1;
    const char **names = cso_calloc(number, sizeof *names);
    if (!names)
        return cso_fail_memory(err, "the configuration");
    for (size_t i = 0; i < number; i++)
        names[i] = configs->items[i].stage.name;
    cso_status status = CSO_OK;
    snprintf(place, sizeof place, "%s: stage %s: %s: \"%.80s\"", config->path, config->stage.name, key, *text);
    if (!number)
        status = cso_fail(err, CSO_ERR_USAGE, "%s: there is no stage before this one", place);
    else if (!find_name(names, number, name, &index))
        status = fail_no_stage(names, number, name, place, err);
    free(names);
    CSO_TRY(status);
    char *folder = cso_path_join(configs->items[index].checkpoint.dir, "adapter");
    if (!folder)
        return cso_fail_memory(err, "the configuration");
    free(*text);
    *text = folder;
    return CSO_OK;
}

cso_status stage_place(cso_run_configs *configs, size_t number, cso_error *err) {
    cso_run_config *config = &configs->items[number];
    char *dir = cso_format("%s/stage-%zu-%s", configs->dir, number + 1, config->stage.name);
    if (!dir)
        return cso_fail_memory(err, "the configuration");
    free(config->checkpoint.dir);
    config->checkpoint.dir = dir;
    if (number && !cso_run_config_given(config, "lora.init")) {
        char *init = cso_format("%s%s", STAGE_WORD, configs->items[number - 1].stage.name);
        if (!init)
            return cso_fail_memory(err, "the configuration");
        free(config->lora.init);
        config->lora.init = init;
    }
    CSO_TRY(resolve(configs, number, "lora.init", &config->lora.init, err));
    return resolve(configs, number, "loss.reference", &config->loss.reference, err);
}

cso_status cso_run_configs_find(const cso_run_configs *configs, const char *name, size_t *index, cso_error *err) {
    const char **names = cso_calloc(configs->count, sizeof *names);
    if (!names)
        return cso_fail_memory(err, "the configuration");
    for (size_t i = 0; i < configs->count; i++)
        names[i] = configs->items[i].stage.name;
    cso_status status = CSO_OK;
    if (!configs->dir || !find_name(names, configs->count, name, index))
        status = fail_no_stage(names, configs->dir ? configs->count : 0, name, configs->items[0].path, err);
    free(names);
    return status;
}
