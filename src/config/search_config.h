/* search_config.h - the configuration of a search (docs/search-configuration.md). */
#ifndef CSO_SEARCH_CONFIG_H
#define CSO_SEARCH_CONFIG_H

#include "base/status.h"
#include "search/search_options.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the file and applies `overrides` ("search.parallel=2", the value in TOML; a bare word is taken as a string), as
 * cso_run_configs_read does; then checks what belongs together (cso_search_config_check). Every error is CSO_ERR_USAGE, but for
 * memory. Free with cso_search_config_free; nothing is left of a refused one. */
cso_status cso_search_config_read(cso_search_config *config, const char *path, const char *const *overrides, size_t override_count,
                                  cso_error *err);
void cso_search_config_free(cso_search_config *config); /* takes a zeroed one too */
/* Whether the file or an override has the key, if only with its default. */
bool cso_search_config_given(const cso_search_config *config, const char *key);
/* The configuration in full as TOML that reads back equal from any folder, defaults included; the caller frees. Keys are not in it:
 * a role names the environment variable. */
cso_status cso_search_config_print(const cso_search_config *config, char **text, cso_error *err);
/* What to say of a name that is no key, after "unknown key 'NAME'"; see cso_run_config_hint. */
void cso_search_config_hint(const char *name, const char *before, const char *after, bool exact, char *text, size_t size);
/* For --help-config, lines of up to 80 columns: each key with its default, below it what it takes and its meaning. */
void cso_search_config_help(void (*line)(void *context, const char *text), void *context);

#endif
