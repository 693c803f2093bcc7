/* config.h - the configuration of a run (docs/configuration.md): one table of keys with types, defaults, bounds and help. */
#ifndef CSO_CONFIG_H
#define CSO_CONFIG_H

#include "base/status.h"
#include "train/run_config.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the file and applies `overrides` ("train.max_steps=10", the value in TOML; a bare word is taken as a string).
 * Relative paths become relative to the configuration file's folder (those in overrides: to the current folder). Unknown
 * keys (with did-you-mean), wrong types and values out of bounds are CSO_ERR_USAGE with "FILE:LINE: ...". */
cso_status cso_run_config_read(cso_run_config *config, const char *path, const char *const *overrides, size_t override_count,
                               cso_error *err);
void cso_run_config_free(cso_run_config *config);
/* Whether the file or an override has the key, if only with its default. */
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
