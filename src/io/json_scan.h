/* json_scan.h - the check that a text passes before cJSON parses it. */
#ifndef CSO_JSON_SCAN_H
#define CSO_JSON_SCAN_H

#include "cso/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Checks text[size] as json.h promises. *zeros: how many \u0000 there are in it. */
cso_status cso_json_scan(const char *text, size_t size, const char *place, size_t line, bool integers, size_t *zeros,
                         cso_error *err);

/* Whether the six bytes at text (of `size`) are the escape \u0000. */
bool cso_json_is_zero_escape(const char *text, size_t size);

#endif
