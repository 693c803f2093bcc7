/* report.h - facts by name, printed for people or as one JSON object; the caller need not know which.
 *
 *   people: "name  value" in lines, underscores as spaces, groups indented; a row of a list is one line, in which numbers
 *           carry their names ("225 tensors")
 */
#ifndef CSO_REPORT_H
#define CSO_REPORT_H

#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct report {
    cso_text text; /* a failed allocation is remembered here */
    bool json;
    int depth;
    bool exact;             /* names are shown as they are, underscores too */
    bool in_row, has_items; /* in_row: between row and end_row; has_items: the open object or row is not empty */
} report;

void report_begin(report *r, bool json);
/* Ends the object; r->text holds the output, with a line break at the end. */
void report_end(report *r);

void report_group(report *r, const char *name); /* facts about a part follow, up to report_end_group */
void report_end_group(report *r);
void report_list(report *r, const char *name);
void report_row(report *r);
void report_end_row(report *r);
void report_end_list(report *r);

void report_text(report *r, const char *name, const char *value);
void report_bytes(report *r, const char *name, const char *value, size_t size);
void report_size(report *r, const char *name, uint64_t value);
void report_number(report *r, const char *name, double value);
void report_float(report *r, const char *name, float value); /* with the digits an f32 has */
void report_bool(report *r, const char *name, bool value);
void report_shape(report *r, const char *name, int n_dims, const size_t *shape);

#endif
