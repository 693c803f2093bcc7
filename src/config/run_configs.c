/* run_configs.c - reading a configuration file: defaults, then the file, then overrides; of a stage its own keys and overrides after
 * those that are common.
 */
#include "run_config_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's entries and tables of one stage, or of none. */
static cso_status apply_file(cso_run_config *config, const config_source *source, int stage, cso_error *err) {
    char place[CONFIG_MAX_PLACE];
    int of;
    for (size_t i = 0; i < source->toml.count; i++) {
        const cso_toml_entry *entry = &source->toml.entries[i];
        const char *name = stage_key(entry->key, &of);
        if (of != stage || !strcmp(name, stage == NO_STAGE ? "stage" : "name"))
            continue;
        snprintf(place, sizeof place, "%s:%d", source->path, entry->line);
        if (stage != NO_STAGE)
            CSO_TRY(stage_check_key(name, place, err));
        CSO_TRY(config_apply_entry(&run_config_kind, config, name, entry, source->folder, place, err));
    }
    for (size_t i = 0; i < source->toml.table_count; i++) {
        const char *name = stage_key(source->toml.tables[i], &of);
        if (of != stage)
            continue;
        CSO_TRY(config_check_table(&run_config_kind, name, source->path, err));
        if (stage != NO_STAGE)
            CSO_TRY(stage_check_key(name, source->path, err));
        config->lora.present |= !strcmp(name, "lora");
    }
    return CSO_OK;
}

static cso_status apply_overrides(cso_run_config *config, const config_source *source, int stage, cso_error *err) {
    char place[CONFIG_MAX_PLACE];
    for (size_t i = 0; i < source->override_count; i++) {
        int of;
        char *name;
        const char *value;
        CSO_TRY(stage_split_override(source, source->overrides[i], &of, &name, &value, err));
        snprintf(place, sizeof place, "--set %s", source->overrides[i]);
        cso_status status = CSO_OK;
        if (of == stage && stage != NO_STAGE)
            status = stage_check_key(name, place, err);
        if (of == stage && status == CSO_OK)
            status = config_apply_override(&run_config_kind, config, name, value, place, err);
        free(name);
        CSO_TRY(status);
    }
    return CSO_OK;
}

/* One stage, or what is common. */
static cso_status read_one(cso_run_config *config, const config_source *source, int stage, cso_error *err) {
    config->path = cso_strdup(source->path);
    if (!config->path)
        return cso_fail_memory(err, "the configuration");
    CSO_TRY(config_apply_defaults(&run_config_kind, config, source->folder, err));
    CSO_TRY(apply_file(config, source, NO_STAGE, err));
    CSO_TRY(apply_overrides(config, source, NO_STAGE, err));
    if (stage == NO_STAGE)
        return CSO_OK;
    memset(config->given, 0, sizeof config->given); /* what is common may serve other stages */
    CSO_TRY(apply_file(config, source, stage, err));
    CSO_TRY(apply_overrides(config, source, stage, err));
    config->stage.name = cso_strdup(source->stages[stage]);
    config->stage.number = (size_t)stage + 1;
    config->stage.count = source->stage_count;
    return config->stage.name ? CSO_OK : cso_fail_memory(err, "the configuration");
}

/* A common key is set for nothing where every stage has its own. */
static cso_status check_overrides(const cso_run_configs *configs, const config_source *source, cso_error *err) {
    for (size_t i = 0; i < source->override_count; i++) {
        int of;
        char *name;
        const char *value;
        size_t own = 0;
        CSO_TRY(stage_split_override(source, source->overrides[i], &of, &name, &value, err));
        for (size_t k = 0; k < configs->count; k++)
            own += cso_run_config_given(&configs->items[k], name);
        cso_status status = CSO_OK;
        if (of == NO_STAGE && own == configs->count)
            status = cso_fail(err, CSO_ERR_USAGE, "--set %s: every stage has its own %s (expected --set stage.%s.%s, say)",
                              source->overrides[i], name, source->stages[0], source->overrides[i]);
        free(name);
        CSO_TRY(status);
    }
    return CSO_OK;
}

static cso_status read_stages(cso_run_configs *configs, const config_source *source, cso_error *err) {
    cso_run_config common = {0};
    cso_status status;
    CSO_TRY_DONE(read_one(&common, source, NO_STAGE, err));
    for (size_t i = 0; i < configs->count; i++)
        CSO_TRY_DONE(read_one(&configs->items[i], source, (int)i, err));
    CSO_TRY_DONE(check_overrides(configs, source, err));
    for (size_t i = 0; i < configs->count; i++) {
        stage_displace(&configs->items[i], source);
        status = config_check_required(&run_config_kind, &configs->items[i], source->path, err);
        if (status != CSO_OK)
            status = cso_error_prefix(err, status, "stage %s", source->stages[i]);
        CSO_TRY_DONE(status);
    }
    configs->dir = cso_strdup(common.checkpoint.dir);
    if (!configs->dir)
        CSO_TRY_DONE(cso_fail_memory(err, "the configuration"));
    CSO_TRY_DONE(configs_print(&common, configs->items, configs->count, &configs->text, err));
    for (size_t i = 0; i < configs->count; i++)
        CSO_TRY_DONE(stage_place(configs, i, err));
done:
    cso_run_config_free(&common);
    return status;
}

static cso_status read_alone(cso_run_config *config, const config_source *source, cso_error *err) {
    CSO_TRY(read_one(config, source, NO_STAGE, err));
    CSO_TRY(config_check_required(&run_config_kind, config, source->path, err));
    const char *const texts[] = {config->lora.init, config->loss.reference};
    for (size_t i = 0; i < 2; i++)
        if (cso_starts_with(texts[i], "stage:"))
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s: \"%.80s\": there are no stages (expected a folder)", source->path,
                            i ? "loss.reference" : "lora.init", texts[i]);
    return CSO_OK;
}

cso_status cso_run_configs_read(cso_run_configs *configs, const char *path, const char *const *overrides, size_t override_count,
                                cso_error *err) {
    config_source source = {.path = path, .overrides = overrides, .override_count = override_count};
    char *folder = cso_path_folder(path);
    const char **names = NULL;
    cso_status status;
    *configs = (cso_run_configs){0};
    if (!folder)
        CSO_TRY_DONE(cso_fail_memory(err, "the configuration"));
    source.folder = folder;
    CSO_TRY_DONE(config_parse_file(&source.toml, path, err));
    CSO_TRY_DONE(stage_find_names(&source.toml, path, &names, &source.stage_count, err));
    source.stages = names;
    size_t count = source.stage_count ? source.stage_count : 1;
    if (!(configs->items = cso_calloc(count, sizeof *configs->items)))
        CSO_TRY_DONE(cso_fail_memory(err, "the configuration"));
    configs->count = count;
    status = source.stage_count ? read_stages(configs, &source, err) : read_alone(&configs->items[0], &source, err);
done:
    free(names);
    cso_toml_free(&source.toml);
    free(folder);
    if (status != CSO_OK)
        cso_run_configs_free(configs);
    return status;
}

void cso_run_configs_free(cso_run_configs *configs) {
    for (size_t i = 0; i < configs->count; i++)
        cso_run_config_free(&configs->items[i]);
    free(configs->items);
    free(configs->dir);
    free(configs->text);
    *configs = (cso_run_configs){0};
}

cso_status cso_run_config_read(cso_run_config *config, const char *path, const char *const *overrides, size_t override_count,
                               cso_error *err) {
    cso_run_configs configs;
    *config = (cso_run_config){0};
    CSO_TRY(cso_run_configs_read(&configs, path, overrides, override_count, err));
    cso_status status = CSO_OK;
    if (configs.dir) {
        status = cso_fail(err, CSO_ERR_USAGE, "%s: has [[stage]] tables (expected a run without stages)", path);
    } else {
        *config = configs.items[0];
        configs.count = 0; /* handed over */
    }
    cso_run_configs_free(&configs);
    return status;
}
