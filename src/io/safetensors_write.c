/* safetensors_write.c - f32 tensors that are in memory to a safetensors file, in the order given. */
#include "safetensors.h"

#include "base/memory.h"
#include "safetensors_stream.h"

#include <stdlib.h>

static cso_safetensors_entry entry_of(const cso_safetensors_item *item) {
    cso_safetensors_entry entry = {.name = item->name, .dtype = CSO_F32, .n_dims = item->n_dims};
    for (int i = 0; i < CSO_MAX_DIMS; i++)
        entry.shape[i] = item->shape[i];
    return entry;
}

/* Of an item whose entry was accepted. */
static size_t item_bytes(const cso_safetensors_item *item) {
    size_t size = sizeof(float);
    for (int i = 0; i < item->n_dims; i++)
        size *= item->shape[i];
    return size;
}

cso_status cso_safetensors_write(const char *path, const cso_safetensors_item *items, size_t count, const char *const *metadata,
                                 cso_error *err) {
    cso_safetensors_stream *stream = NULL;
    cso_status status;
    cso_safetensors_entry *entries = cso_calloc(count ? count : 1, sizeof *entries);
    if (!entries)
        return cso_fail_memory(err, path);
    for (size_t i = 0; i < count; i++)
        entries[i] = entry_of(&items[i]);
    CSO_TRY_DONE(cso_safetensors_stream_begin(&stream, path, entries, count, metadata, err));
    for (size_t i = 0; i < count; i++) /* f32 is little-endian on every machine we build for */
        CSO_TRY_DONE(cso_safetensors_stream_write(stream, items[i].data, item_bytes(&items[i]), err));
    status = cso_safetensors_stream_commit(stream, err);
    stream = NULL;
done:
    cso_safetensors_stream_abort(stream);
    free(entries);
    return status;
}
