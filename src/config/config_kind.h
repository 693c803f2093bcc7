/* config_kind.h - a kind of configuration (a run's, a search's) and what fills the struct of one, key by key, through the rows of its
 * keys: defaults, entries of a file, overrides; inside src/config only.
 */
#ifndef CSO_CONFIG_KIND_H
#define CSO_CONFIG_KIND_H

#include "base/option.h"
#include "base/status.h"
#include "io/toml.h"

#include <stdbool.h>
#include <stddef.h>

enum { CONFIG_MAX_PLACE = 512 };

typedef struct config_kind {
    const cso_option_set *options; /* offsets count from the struct */
    size_t given, max_keys; /* offset in the struct of bool[max_keys], by the number of a key: it is in the file or an override */
    void (*taken)(void *config, const cso_option *row); /* called when a key got a value; NULL: nothing */
    /* What to say after "unknown key 'NAME'"; see cso_run_config_hint. */
    void (*hint)(const char *name, const char *before, const char *after, bool exact, char *text, size_t size);
} config_kind;

/* Reads and parses a file; one that cannot be read is CSO_ERR_USAGE. */
cso_status config_parse_file(cso_toml *toml, const char *path, cso_error *err);

/* The default of every key; none counts as given. */
cso_status config_apply_defaults(const config_kind *kind, void *config, const char *folder, cso_error *err);
/* The entry's value for the key `name`. folder: what relative paths are relative to. place begins an error: "FILE:LINE". */
cso_status config_apply_entry(const config_kind *kind, void *config, const char *name, const cso_toml_entry *entry,
                              const char *folder, const char *place, cso_error *err);
/* The same of --set. */
cso_status config_apply_override(const config_kind *kind, void *config, const char *name, const char *value, const char *place,
                                 cso_error *err);
/* A table of the file must be one that keys have, or one that such a table is in. */
cso_status config_check_table(const config_kind *kind, const char *name, const char *place, cso_error *err);
/* Whether a key counts as given; from now on it does. */
bool config_is_given(const config_kind *kind, const void *config, const char *key);
void config_mark_given(const config_kind *kind, void *config, const char *key);
/* A key without default that has no value. */
bool config_is_missing(const void *config, cso_option_place place);
/* There must be none such. path begins an error. */
cso_status config_check_required(const config_kind *kind, const void *config, const char *path, cso_error *err);
/* Frees what the fields own. */
void config_clear_all(const config_kind *kind, void *config);

/* The key that was meant by a name that is none: "train.learning_rate" for "data.learning_rate", "learning-rate" and "lerning_rate".
 * exact: no misspelt names. NULL: none is near. */
const char *config_find_key(const config_kind *kind, const char *name, bool exact);
/* Bytes of a key's name before its last dot: of its table. */
size_t config_table_length(const char *key);

#endif
