/* config.h - the configuration of a run (docs/configuration.md): one table of keys with types, defaults, bounds and help. */
#ifndef CSO_CONFIG_H
#define CSO_CONFIG_H

#include "base/status.h"
#include "train/run_config.h"

#include <stdbool.h>
#include <stddef.h>

/* A run, or stages that follow one another ([[stage]] tables): a complete configuration for each. */
typedef struct cso_run_configs {
    cso_run_config *items; /* (count) in order */
    size_t count;          /* 1 without stages */
    char *dir;             /* of stages: checkpoint.dir of the whole; theirs are dir/stage-<number>-<name>. NULL: no stages */
    char *text;            /* of stages: the whole as TOML, for dir/config.toml */
} cso_run_configs;

/* Reads the file and applies `overrides` ("train.max_steps=10", or "stage.NAME.train.max_steps=10" for one stage; the value in TOML; a
 * bare word is taken as a string). Relative paths become relative to the configuration file's folder (those in overrides: to the
 * current folder). Unknown keys (with did-you-mean), wrong types and values out of bounds are CSO_ERR_USAGE with "FILE:LINE: ...".
 * A stage has the common keys, overridden by its own. From the second on its lora.init is the adapter of the stage before, unless it
 * has one of its own; "stage:NAME" in lora.init and loss.reference is the adapter of an earlier stage. */
cso_status cso_run_configs_read(cso_run_configs *configs, const char *path, const char *const *overrides, size_t override_count,
                                cso_error *err);
void cso_run_configs_free(cso_run_configs *configs);
/* The stage of this name among those of a configuration; CSO_ERR_USAGE if there is none. */
cso_status cso_run_configs_find(const cso_run_configs *configs, const char *name, size_t *index, cso_error *err);
/* The same of a file without stages; stages are CSO_ERR_USAGE. */
cso_status cso_run_config_read(cso_run_config *config, const char *path, const char *const *overrides, size_t override_count,
                               cso_error *err);
void cso_run_config_free(cso_run_config *config);
/* Whether the file or an override has the key, if only with its default; of a stage: for this stage alone. */
bool cso_run_config_given(const cso_run_config *config, const char *key);
/* The configuration in full as TOML, defaults included, but for keys that were not given and have no effect here (those of a fresh
 * adapter where lora.init names one, say); the caller frees. */
cso_status cso_run_config_print(const cso_run_config *config, char **text, cso_error *err);
/* What to say of a name that is no key, after "unknown key 'lr'": " (did you mean 'train.learning_rate'?)", with a key's or another
 * trainer's name (base/foreign_names.h) in mind; "" if none is near. before, after: what our name stands between, as "'" and "'".
 * exact: no misspelt names. */
void cso_run_config_hint(const char *name, const char *before, const char *after, bool exact, char *text, size_t size);
/* For --help-config, lines of up to 80 columns: each key with its default, below it what it takes and its meaning. */
void cso_run_config_help(void (*line)(void *context, const char *text), void *context);

#endif
