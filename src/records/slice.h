/* slice.h - values of a JSON text that passed the check (io/json.h), as they are written.
 *
 * Tools that only move values keep their bytes: numbers, escapes and the order of keys stay as they are.
 */
#ifndef CSO_RECORDS_SLICE_H
#define CSO_RECORDS_SLICE_H

#include "data/hash.h"
#include "io/json.h"
#include "io/json_walk.h"

#include <stdbool.h>
#include <stddef.h>

/* A value without the white space around it; text NULL: there is none. Not zero-terminated. */
typedef struct json_slice {
    const char *text;
    size_t size;
} json_slice;

static inline bool slice_is_string(json_slice value) {
    return value.text && value.text[0] == '"';
}
static inline bool slice_is_array(json_slice value) {
    return value.text && value.text[0] == '[';
}
static inline bool slice_is_object(json_slice value) {
    return value.text && value.text[0] == '{';
}
bool slice_is_number(json_slice value);

/* Whether the value is written in exactly these bytes: "true", "\"user\"". */
bool slice_is(json_slice value, const char *text);
/* Whether a string, a key for example, means this text, escapes resolved. False if out of memory. */
bool slice_means(json_slice string, const char *text, cso_json_room *room);

/* What is between the quotes of a string, escapes and all. */
json_slice slice_inside(json_slice string);
/* The bytes that a string means, in the text or in the room; false if out of memory. U+0000 is C0 80 (io/json.h). */
bool slice_bytes(json_slice string, cso_json_room *room, const char **bytes, size_t *size);
/* Adds what a string means, its length first, so that ("ab", "c") and ("a", "bc") differ; a missing value differs from "". */
bool slice_digest(cso_digest *digest, json_slice string, cso_json_room *room);
/* Whether a string is nothing but white space. */
bool slice_is_blank(json_slice string, cso_json_room *room);

/* Writes a value with one blank after each comma and colon and no other white space, as Python's json.dumps does; everything else is
 * as in the text. */
void slice_write(cso_text *out, json_slice value);

/* Hash of a value by what it means: the order of keys, white space, escapes and the writing of numbers do not matter. */
bool slice_value_hash(json_slice value, cso_json_room *room, text_hash *hash);

#endif
