/* record_sink.h - where tools write records: lines, or the elements of an array. */
#ifndef CSO_RECORDS_RECORD_SINK_H
#define CSO_RECORDS_RECORD_SINK_H

#include "base/status.h"
#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Fill in write and context, zero the rest. */
typedef struct cso_record_sink {
    cso_status (*write)(void *context, const char *bytes, size_t size, cso_error *err);
    void *context;
    bool array;      /* one JSON array, an element a line, instead of JSON Lines */
    bool unbuffered; /* each record goes out at once: somebody waits for it */
    cso_text text;   /* of the record that is being made, and of those that are still to be written */
    size_t count;    /* records so far */
} cso_record_sink;

/* The text to which a record is to be added, which record_end ends. */
cso_text *record_begin(cso_record_sink *sink);
cso_status record_end(cso_record_sink *sink, cso_error *err);
/* Writes what is left, and the end of an array; a failed run keeps what was written so far: ended false. Frees the text. */
cso_status record_sink_close(cso_record_sink *sink, bool ended, cso_error *err);

/* A whole record as it stands in its file, in one line. */
cso_status record_copy(cso_record_sink *sink, const char *text, size_t size, cso_error *err);

#endif
