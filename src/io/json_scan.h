/* json_scan.h - the check that a text passes before cJSON parses it. */
#ifndef CSO_JSON_SCAN_H
#define CSO_JSON_SCAN_H

#include "base/status.h"
#include "json_walk.h"

#include <stdbool.h>
#include <stddef.h>

/* Checks text[size] as json.h promises, and finds large[count]. *zeros: how many \u0000 there are in the text. */
cso_status cso_json_scan(const char *text, size_t size, const char *place, size_t line, bool integers, cso_json_large *large,
                         size_t count, size_t *zeros, cso_error *err);

/* Whether the six bytes at text (of `size`) are the escape \u0000. */
bool cso_json_is_zero_escape(const char *text, size_t size);

/* Decodes a string of a checked text, with its quotes, into the room. False for lack of memory. */
bool cso_json_decode(const char *string, size_t size, cso_json_room *room, const char **bytes, size_t *length);

#endif
