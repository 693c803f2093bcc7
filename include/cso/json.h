/* json.h - strict JSON over cJSON.
 *
 * Before cJSON sees a text it is checked: UTF-8, depth, size, no NaN/Infinity, no duplicate keys, nothing after the value. A bad
 * text is CSO_ERR_INPUT with "PLACE:LINE: ...". Values are cJSON's own (cJSON.h); the helpers below read them with a
 * message that names the path of the key.
 */
#ifndef CSO_JSON_H
#define CSO_JSON_H

#include "cso/status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSO_JSON_MAX_DEPTH = 64 };

/* Parses `size` bytes. place is the file's name, line the number of the text's first line (for JSON Lines). Strings may
 * hold \u0000: cJSON cannot represent it, so it is refused unless allow_nul, which turns it into U+FFFD... see json.c. */
cso_status cso_json_parse(cJSON **value, const char *text, size_t size, const char *place, size_t line, cso_error *err);
/* A whole file of at most max bytes. */
cso_status cso_json_read(cJSON **value, const char *path, size_t max, cso_error *err);

/* Calls visit for each record of a .json file (an array, or one object) or .jsonl file ("-": standard input, JSON Lines; blank lines are
 * skipped; a byte-order mark at the beginning is skipped). Which of the two is decided by the first character: '[' is an
 * array. line is that of the record's first character. visit owns nothing. Stops at the first error. */
typedef cso_status (*cso_json_visitor)(void *context, const cJSON *record, size_t line, cso_error *err);
cso_status cso_json_each(const char *path, cso_json_visitor visit, void *context, cso_error *err);

/* Members of an object: NULL or the default where the key is missing; a wrong type fails with "PLACE: KEY: expected ...". */
cso_status cso_json_string(const cJSON *object, const char *key, const char *place, const char **text, cso_error *err);
cso_status cso_json_number(const cJSON *object, const char *key, const char *place, double fallback, double *number, cso_error *err);
cso_status cso_json_size(const cJSON *object, const char *key, const char *place, size_t fallback, size_t *number, cso_error *err);
cso_status cso_json_bool(const cJSON *object, const char *key, const char *place, bool fallback, bool *value, cso_error *err);

/* A growing text with JSON escaping, for output without building trees. Failures of allocation stick: check once, at the end. */
typedef struct cso_text {
    char *data; /* zero-terminated; free() */
    size_t size, capacity;
    bool failed;
} cso_text;
void cso_text_add(cso_text *text, const char *bytes, size_t size);
void cso_text_format(cso_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cso_text_json_string(cso_text *text, const char *bytes, size_t size); /* with the quotes; bad UTF-8 becomes U+FFFD */
void cso_text_json_number(cso_text *text, double value);                   /* shortest that reads back equal; null if not finite */

#endif
