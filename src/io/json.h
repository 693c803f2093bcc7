/* json.h - strict JSON over cJSON.
 *
 * Before cJSON sees a text it is checked: UTF-8, grammar, depth, size, no duplicate keys, no numbers beyond f64, no lone
 * surrogates, nothing after the value. A bad text is CSO_ERR_INPUT with "PLACE:LINE: what (column N)". Values are cJSON's
 * own (cJSON.h); the helpers below read them with messages that name the key. A byte-order mark at the beginning is skipped.
 *
 * Zero characters. JSON strings may hold \u0000, cJSON's zero-terminated strings may not. Here \u0000 is stored as the two bytes
 * C0 80 (the overlong form that Java calls modified UTF-8). No other text becomes these bytes, because they are not UTF-8 and the
 * input is checked. So lengths and comparisons work; cso_json_bytes gives the text itself, and cso_text_json_string writes C0 80
 * as \u0000 again.
 *
 * cJSON finds members by walking a list: walk large objects with cJSON_ArrayForEach. Vocabularies are too large for cJSON:
 * json_walk.h.
 */
#ifndef CSO_JSON_H
#define CSO_JSON_H

#include "base/status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CSO_JSON_MAX_DEPTH = 64,           /* nesting of arrays and objects */
    CSO_JSON_MAX_VALUES = 1 << 22,     /* in one text: cJSON takes 80 bytes for each, however short it is written */
    CSO_JSON_MAX_RECORD = 64 * 1048576 /* bytes of one record of a data set */
};

/* Parses `size` bytes. place is the file's name, line the number of the text's first line (for JSON Lines). */
cso_status cso_json_parse(cJSON **value, const char *text, size_t size, const char *place, size_t line, cso_error *err);
/* The same, but all numbers must be written as integers from 0 to 2^53, without sign, fraction or exponent (headers of files). */
cso_status cso_json_parse_integers(cJSON **value, const char *text, size_t size, const char *place, cso_error *err);
/* A whole file of at most max bytes. */
cso_status cso_json_read(cJSON **value, const char *path, size_t max, cso_error *err);

/* Calls visit for each record, an object, of a data file ("-" or "/dev/stdin": standard input, which may be a pipe). A file that
 * begins with '[' is an array of records; any other is JSON Lines (lines end with LF alone, blank lines are skipped), but a file
 * called .json may also hold one object over several lines. line is that of the record's first character. visit owns nothing. Stops
 * at the first error. One record is in memory at a time. */
typedef cso_status (*cso_json_visitor)(void *context, const cJSON *record, size_t line, cso_error *err);
cso_status cso_json_each(const char *path, cso_json_visitor visit, void *context, cso_error *err);

/* The same with the text of each record as it stands in the file, unchecked; it lives as long as the call. Of an array, what is between
 * the commas. A text that a file ends in, or that has a line break in a string, is an error of the file and is not visited. */
typedef cso_status (*cso_json_text_visitor)(void *context, const char *text, size_t size, size_t line, cso_error *err);
cso_status cso_json_each_text(const char *path, cso_json_text_visitor visit, void *context, cso_error *err);
/* The check of cso_json_parse, and that the text is an object; builds nothing. */
cso_status cso_json_check_record(const char *text, size_t size, const char *place, size_t line, cso_error *err);

/* Members of an object: NULL or the fallback where the key is missing or its value is null; a wrong type fails with
 * "PLACE: KEY: expected ...". A size is a whole number from 0 to 2^53. */
cso_status cso_json_string(const cJSON *object, const char *key, const char *place, const char **text, cso_error *err);
cso_status cso_json_number(const cJSON *object, const char *key, const char *place, double fallback, double *number,
                           cso_error *err);
cso_status cso_json_size(const cJSON *object, const char *key, const char *place, size_t fallback, size_t *number, cso_error *err);
cso_status cso_json_bool(const cJSON *object, const char *key, const char *place, bool fallback, bool *value, cso_error *err);

/* The text of a string value, zero characters included: *bytes is a copy of *size bytes and a
 * terminating zero, to be freed. */
cso_status cso_json_bytes(const cJSON *string, char **bytes, size_t *size, cso_error *err);

/* A growing text with JSON escaping, for output without building trees. A failed allocation is remembered in `failed`: check
 * once, at the end. */
typedef struct cso_text {
    char *data; /* zero-terminated; free() */
    size_t size, capacity;
    bool failed;
} cso_text;
void cso_text_add(cso_text *text, const char *bytes, size_t size);
void cso_text_format(cso_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* With the quotes. C0 80 (see above) and a zero byte become \u0000, every other byte that is not UTF-8 becomes U+FFFD; what is
 * not printable (base/printable.h) becomes \uNNNN. */
void cso_text_json_string(cso_text *text, const char *bytes, size_t size);
void cso_text_json_number(cso_text *text, double value); /* shortest that reads back equal; null if not finite */

#endif
