/* record_sink.c - see record_sink.h. */
#include "record_sink.h"

#include "slice.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 16 };

static cso_status flush(cso_record_sink *sink, cso_error *err) {
    size_t size = sink->text.size;
    if (sink->text.failed)
        return cso_fail_memory(err, "the output");
    sink->text.size = 0;
    return size ? sink->write(sink->context, sink->text.data, size, err) : CSO_OK;
}

cso_text *record_begin(cso_record_sink *sink) {
    if (sink->array)
        cso_text_add(&sink->text, sink->count ? ",\n" : "[\n", 2);
    return &sink->text;
}

cso_status record_end(cso_record_sink *sink, cso_error *err) {
    sink->count++;
    if (!sink->array)
        cso_text_add(&sink->text, "\n", 1);
    return sink->unbuffered || sink->text.failed || sink->text.size >= FLUSH_BYTES ? flush(sink, err) : CSO_OK;
}

cso_status record_sink_close(cso_record_sink *sink, bool ended, cso_error *err) {
    if (sink->array && ended)
        cso_text_add(&sink->text, sink->count ? "\n]\n" : "[]\n", 3);
    cso_status status = flush(sink, err);
    free(sink->text.data);
    sink->text = (cso_text){0};
    return status;
}

cso_status record_copy(cso_record_sink *sink, const char *text, size_t size, cso_error *err) {
    cso_text *out = record_begin(sink);
    while (size && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (memchr(text, '\n', size)) /* an element of an array may go over several lines */
        slice_write(out, (json_slice){text, size});
    else
        cso_text_add(out, text, size);
    return record_end(sink, err);
}
