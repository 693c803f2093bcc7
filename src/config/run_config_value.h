/* run_config_value.h - how a value gets from TOML into the configuration, checked against the row of its key. */
#ifndef CSO_RUN_CONFIG_VALUE_H
#define CSO_RUN_CONFIG_VALUE_H

#include "config.h"
#include "io/toml.h"

static inline void *config_field(cso_run_config *config, cso_option_place place) {
    return (char *)config + place.offset;
}
static inline const void *config_field_const(const cso_run_config *config, cso_option_place place) {
    return (const char *)config + place.offset;
}

/* Checks an entry against its row and stores it in the field. folder: what relative paths are relative to, "" to leave them. where
 * begins the error: "FILE:LINE". */
cso_status config_set(void *field, const cso_option *row, const cso_toml_entry *entry, const char *folder, const char *where,
                      cso_error *err);
/* Frees what a field owns. */
void config_clear(void *field, const cso_option *row);

/* Whether a text of a path row is a path that a folder may be put before. */
bool config_is_relative_path(const cso_option *row, const char *text);

/* "an integer >= 1", "one of f32, bf16": what a row takes, for messages and help. */
void config_expected(const cso_option *row, char *text, size_t size);

#endif
