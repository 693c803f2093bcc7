/* json_scan.h - the check that a text passes before cJSON parses it. */
#ifndef CSO_JSON_SCAN_H
#define CSO_JSON_SCAN_H

#include "base/status.h"
#include "json_walk.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_json_source {
    const char *text;
    size_t size;
    const char *place; /* for messages: the file's name and the line where the text begins */
    size_t line;
    bool integers; /* refuse numbers that are not exact whole numbers */
} cso_json_source;

/* Checks a text as json.h promises, and finds large[count]. *zeros: how many \u0000 the text has. */
cso_status cso_json_scan(const cso_json_source *source, cso_json_large *large, size_t count, size_t *zeros, cso_error *err);

/* Whether the six bytes at text (of `size`) are the escape \u0000. */
bool cso_json_is_zero_escape(const char *text, size_t size);

/* Decodes a string of a checked text, with its quotes, into the room. False for lack of memory. */
bool cso_json_decode(const char *string, size_t size, cso_json_room *room, const char **bytes, size_t *length);

#endif
