/* toml.h - TOML 1.0 through toml++, flattened to dotted keys.
 *
 * Depth and size are capped before parsing; syntax errors, duplicate keys and bad numbers are CSO_ERR_USAGE with "FILE:LINE:
 * ...".
 */
#ifndef CSO_TOML_H
#define CSO_TOML_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cso_toml_type {
    CSO_TOML_STRING,
    CSO_TOML_INTEGER,
    CSO_TOML_FLOAT,
    CSO_TOML_BOOL,
    CSO_TOML_STRINGS /* array of strings */,
    CSO_TOML_NUMBERS /* array of integers and floats */,
    CSO_TOML_TABLES /* array of tables: their keys are entries "strategy[0].name" that follow it */,
    CSO_TOML_EMPTY_ARRAY,
    CSO_TOML_OTHER /* dates, mixed arrays */
} cso_toml_type;

typedef struct cso_toml_entry {
    char *key; /* "train.learning_rate" */
    int line;
    cso_toml_type type;
    char *string;
    int64_t integer;
    double number; /* of an integer too */
    bool boolean;
    char **strings;
    double *numbers;
    size_t count; /* items of an array of strings, numbers or tables */
} cso_toml_entry;

typedef struct cso_toml {
    cso_toml_entry *entries; /* in the order of the file */
    size_t count;
    char **tables; /* names of tables that are present, also empty ones ("lora") */
    size_t table_count;
} cso_toml;

/* place: the file's name for messages. */
cso_status cso_toml_parse(cso_toml *toml, const char *text, size_t size, const char *place, cso_error *err);
void cso_toml_free(cso_toml *toml);

#ifdef __cplusplus
}
#endif
#endif
