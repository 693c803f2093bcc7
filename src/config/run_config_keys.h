/* run_config_keys.h - the configuration's table of keys, and how a value gets from TOML into the configuration.
 *
 * A new key is a field in run_config.h and a row in run_config_keys.c: reading, --set, bounds, defaults, config.toml, help and
 * did-you-mean come from the row.
 */
#ifndef CSO_RUN_CONFIG_KEYS_H
#define CSO_RUN_CONFIG_KEYS_H

#include "config.h"
#include "io/toml.h"

typedef enum config_type {
    CONFIG_STRING,   /* char * */
    CONFIG_PATH,     /* char *: made relative to the configuration file's folder, but for "", "-" and the row's words */
    CONFIG_PATHS,    /* cso_strings of such paths */
    CONFIG_CHOICE,   /* an enum whose values are the indexes of the row's words */
    CONFIG_CHOICES,  /* cso_strings of the row's words, or the word "all-linear" for all of them */
    CONFIG_SIZE,     /* size_t */
    CONFIG_INTEGER,  /* int64_t */
    CONFIG_SEED,     /* uint64_t */
    CONFIG_NUMBER,   /* double */
    CONFIG_NUMBERS2, /* double[2] */
    CONFIG_BOOL
} config_type;

typedef struct config_range {
    double min, max;           /* of numbers; min 1 for texts and lists: not empty. max == min: no upper bound */
    bool above_min, below_max; /* the bound itself is excluded */
} config_range;

typedef struct config_key {
    const char *name; /* "train.max_steps" */
    config_type type;
    size_t offset; /* of the field in cso_run_config */
    config_range range;
    const char *const *words; /* NULL-terminated */
    const char *fallback;     /* the default as TOML; NULL: the key must be given */
    const char *help;         /* one line */
} config_key;

extern const config_key config_keys[];
extern const size_t config_key_count;

/* Names of the tables: "model", "data", ... NULL-terminated. */
extern const char *const config_tables[];

static inline void *config_field(cso_run_config *config, const config_key *key) {
    return (char *)config + key->offset;
}
static inline const void *config_field_const(const cso_run_config *config, const config_key *key) {
    return (const char *)config + key->offset;
}

const config_key *config_find(const char *name);

/* Checks an entry against its row and stores it. folder: what relative paths are relative to, "" to leave them. place begins
 * the error. */
cso_status config_set(cso_run_config *config, const config_key *key, const cso_toml_entry *entry, const char *folder,
                      const char *place, cso_error *err);

/* Whether a text of a path row is a path that a folder may be put before. */
bool config_is_relative_path(const config_key *key, const char *text);

/* "an integer of 1 or more", "one of f32, bf16": what a row takes, for messages and help. */
void config_expected(const config_key *key, char *text, size_t size);

#endif
