/* constraint_schema.h - reading a JSON schema. */
#ifndef CSO_CONSTRAINT_SCHEMA_H
#define CSO_CONSTRAINT_SCHEMA_H

#include "constraint_parts.h"

#include <cjson/cJSON.h>

/* Makes the constraint's nodes from a schema's text. */
cso_status constraint_read_schema(cso_constraint *constraint, const char *text, size_t size, const char *place, cso_error *err);

/* Where in a schema: a list of steps from its root, the last first. */
typedef struct schema_path {
    const struct schema_path *up; /* NULL: the root */
    const char *key;              /* NULL: index */
    size_t index;
    size_t depth;
} schema_path;

typedef struct schema_reader {
    cso_constraint *constraint;
    const char *place;
} schema_reader;

enum { SCHEMA_PLACE = 512 };

/* "PLACE: #/a/b", printable and cut to fit. */
void schema_place(const schema_reader *reader, const schema_path *path, char place[SCHEMA_PLACE]);
cso_status schema_fail(const schema_reader *reader, const schema_path *path, cso_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A schema's node, with all below it. */
cso_status schema_read(const schema_reader *reader, const cJSON *schema, const schema_path *path, uint32_t *node, cso_error *err);

/* constraint_values.c: the parts of one type, of a node that was added. */
cso_status schema_read_object(const schema_reader *reader, const cJSON *schema, const schema_path *path, uint32_t node,
                              cso_error *err);
cso_status schema_read_array(const schema_reader *reader, const cJSON *schema, const schema_path *path, uint32_t node,
                             cso_error *err);
cso_status schema_read_string(const schema_reader *reader, const cJSON *schema, const schema_path *path, uint32_t node,
                              cso_error *err);
cso_status schema_read_integer(const schema_reader *reader, const cJSON *schema, const schema_path *path, uint32_t node,
                               cso_error *err);
/* The values of an array (several), or one value, as the texts of a node. */
cso_status schema_read_texts(const schema_reader *reader, const cJSON *values, bool several, const schema_path *path, uint32_t node,
                             cso_error *err);

#endif
