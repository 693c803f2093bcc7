/* option_value.h - how a value gets from TOML into the field of its key, checked against the row; inside src/config only. */
#ifndef CSO_OPTION_VALUE_H
#define CSO_OPTION_VALUE_H

#include "base/option.h"
#include "base/status.h"
#include "io/toml.h"

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
