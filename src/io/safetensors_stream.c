/* safetensors_stream.c - see safetensors_stream.h; the format is drawn in safetensors.h. */
#include "safetensors_stream.h"

#include "base/file.h"
#include "base/memory.h"
#include "json.h"
#include "name_index.h"

#include <stdlib.h>
#include <string.h>

struct cso_safetensors_stream {
    cso_save *save;
    size_t left; /* bytes of data still missing */
};

static cso_status entry_bytes(const cso_safetensors_entry *entry, size_t *bytes, cso_error *err) {
    const cso_dtype_info *info = cso_dtype_get(entry->dtype);
    size_t size = info->bytes;
    bool fits = info->safetensors && entry->n_dims >= 0 && entry->n_dims <= CSO_MAX_DIMS;
    for (int i = 0; fits && i < entry->n_dims; i++)
        fits = cso_size_mul(size, entry->shape[i], &size);
    if (!fits)
        return cso_fail(err, CSO_ERR_INTERNAL, "tensor %s cannot be written as %s with its shape", entry->name, info->name);
    *bytes = size;
    return CSO_OK;
}

static void add_metadata(cso_text *text, const char *const *metadata) {
    cso_text_format(text, "\"__metadata__\":{");
    for (size_t i = 0; metadata[i]; i += 2) {
        cso_text_add(text, ",", i > 0);
        cso_text_json_string(text, metadata[i], strlen(metadata[i]));
        cso_text_add(text, ":", 1);
        cso_text_json_string(text, metadata[i + 1], strlen(metadata[i + 1]));
    }
    cso_text_add(text, "}", 1);
}

static cso_status add_entries(cso_text *text, const cso_safetensors_entry *entries, size_t count, const char *comma, size_t *end,
                              cso_error *err) {
    cso_name_index names = {0};
    cso_status status = CSO_OK;
    *end = 0;
    for (size_t i = 0; i < count; i++) {
        const cso_safetensors_entry *entry = &entries[i];
        size_t begin = *end, bytes = 0;
        bool known;
        CSO_TRY_DONE(entry_bytes(entry, &bytes, err));
        if (!cso_size_add(begin, bytes, end))
            CSO_TRY_DONE(cso_fail(err, CSO_ERR_INTERNAL, "the tensors are too large to be written"));
        if (!cso_name_index_add(&names, entry->name, i, &known))
            CSO_TRY_DONE(cso_fail_memory(err, "tensor names"));
        if (known || !strcmp(entry->name, "__metadata__"))
            CSO_TRY_DONE(cso_fail(err, CSO_ERR_INTERNAL, "tensor %s is to be written twice, or has a reserved name", entry->name));
        cso_text_format(text, "%s", comma);
        comma = ",";
        cso_text_json_string(text, entry->name, strlen(entry->name));
        cso_text_format(text, ":{\"dtype\":\"%s\",\"shape\":[", cso_dtype_get(entry->dtype)->safetensors);
        for (int d = 0; d < entry->n_dims; d++)
            cso_text_format(text, "%s%zu", d ? "," : "", entry->shape[d]);
        cso_text_format(text, "],\"data_offsets\":[%zu,%zu]}", begin, *end);
    }
done:
    cso_name_index_free(&names);
    return status;
}

cso_status cso_safetensors_stream_begin(cso_safetensors_stream **result, const char *path, const cso_safetensors_entry *entries,
                                        size_t count, const char *const *metadata, cso_error *err) {
    *result = NULL;
    cso_text header = {0};
    cso_status status = CSO_OK;
    cso_safetensors_stream *stream = cso_calloc(1, sizeof *stream);
    if (!stream)
        return cso_fail_memory(err, path);
    cso_text_add(&header, "{", 1);
    if (metadata && metadata[0])
        add_metadata(&header, metadata);
    CSO_TRY_DONE(add_entries(&header, entries, count, metadata && metadata[0] ? "," : "", &stream->left, err));
    cso_text_add(&header, "}", 1);
    while (!header.failed && header.size % 8) /* so that the data is aligned */
        cso_text_add(&header, " ", 1);
    if (header.failed)
        CSO_TRY_DONE(cso_fail_memory(err, "a file's header"));
    CSO_TRY_DONE(cso_save_begin(&stream->save, path, err));
    uint64_t length = header.size; /* little-endian on every machine this is built for */
    CSO_TRY_DONE(cso_save_write(stream->save, &length, sizeof length, err));
    CSO_TRY_DONE(cso_save_write(stream->save, header.data, header.size, err));
    *result = stream;
    stream = NULL;
done:
    cso_safetensors_stream_abort(stream);
    free(header.data);
    return status;
}

cso_status cso_safetensors_stream_write(cso_safetensors_stream *stream, const void *data, size_t size, cso_error *err) {
    if (size > stream->left)
        return cso_fail(err, CSO_ERR_INTERNAL, "more data than the tensors of the table have");
    stream->left -= size;
    return cso_save_write(stream->save, data, size, err);
}

cso_status cso_safetensors_stream_commit(cso_safetensors_stream *stream, cso_error *err) {
    cso_status status = CSO_OK;
    if (stream->left) {
        status = cso_fail(err, CSO_ERR_INTERNAL, "the tensors of the table lack %zu bytes", stream->left);
    } else {
        status = cso_save_commit(stream->save, err);
        stream->save = NULL;
    }
    cso_safetensors_stream_abort(stream);
    return status;
}

void cso_safetensors_stream_abort(cso_safetensors_stream *stream) {
    if (!stream)
        return;
    cso_save_abort(stream->save);
    free(stream);
}
