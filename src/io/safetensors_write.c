/* safetensors_write.c - f32 tensors to a safetensors file, in the order given. */
#include "safetensors.h"

#include "base/memory.h"
#include "json.h"
#include "name_index.h"

#include <stdlib.h>
#include <string.h>

static cso_status item_bytes(const cso_safetensors_item *item, size_t *bytes, cso_error *err) {
    size_t size = sizeof(float);
    bool fits = item->n_dims >= 0 && item->n_dims <= CSO_MAX_DIMS;
    for (int i = 0; fits && i < item->n_dims; i++)
        fits = cso_size_mul(size, item->shape[i], &size);
    if (!fits)
        return cso_fail(err, CSO_ERR_INTERNAL, "tensor %s has a shape that cannot be written", item->name);
    *bytes = size;
    return CSO_OK;
}

static cso_status check_names(const cso_safetensors_item *items, size_t count, cso_error *err) {
    cso_name_index index = {0};
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < count; i++) {
        bool known;
        if (!cso_name_index_add(&index, items[i].name, i, &known))
            status = cso_fail_memory(err, "tensor names");
        else if (known || !strcmp(items[i].name, "__metadata__"))
            status = cso_fail(err, CSO_ERR_INTERNAL, "tensor %s is to be written twice, or has a reserved name", items[i].name);
    }
    cso_name_index_free(&index);
    return status;
}

static cso_status make_header(cso_text *text, const cso_safetensors_item *items, size_t count, const char *const *metadata,
                              cso_error *err) {
    size_t offset = 0;
    const char *comma = "";
    cso_text_add(text, "{", 1);
    if (metadata && metadata[0]) {
        cso_text_format(text, "\"__metadata__\":{");
        for (size_t i = 0; metadata[i]; i += 2) {
            cso_text_add(text, ",", i > 0);
            cso_text_json_string(text, metadata[i], strlen(metadata[i]));
            cso_text_add(text, ":", 1);
            cso_text_json_string(text, metadata[i + 1], strlen(metadata[i + 1]));
        }
        cso_text_add(text, "}", 1);
        comma = ",";
    }
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0, end;
        CSO_TRY(item_bytes(&items[i], &bytes, err));
        if (!cso_size_add(offset, bytes, &end))
            return cso_fail(err, CSO_ERR_INTERNAL, "the tensors are too large to be written");
        cso_text_format(text, "%s", comma);
        cso_text_json_string(text, items[i].name, strlen(items[i].name));
        cso_text_format(text, ":{\"dtype\":\"F32\",\"shape\":[");
        for (int d = 0; d < items[i].n_dims; d++)
            cso_text_format(text, "%s%zu", d ? "," : "", items[i].shape[d]);
        cso_text_format(text, "],\"data_offsets\":[%zu,%zu]}", offset, end);
        offset = end;
        comma = ",";
    }
    cso_text_add(text, "}", 1);
    while (!text->failed && text->size % 8) /* so that the data is aligned */
        cso_text_add(text, " ", 1);
    return text->failed ? cso_fail_memory(err, "a file's header") : CSO_OK;
}

cso_status cso_safetensors_write(const char *path, const cso_safetensors_item *items, size_t count, const char *const *metadata,
                                 cso_error *err) {
    cso_text header = {0};
    cso_save *save = NULL;
    cso_status status;
    CSO_TRY_DONE(check_names(items, count, err));
    CSO_TRY_DONE(make_header(&header, items, count, metadata, err));
    CSO_TRY_DONE(cso_save_begin(&save, path, err));
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)header.size >> (8 * i));
    CSO_TRY_DONE(cso_save_write(save, length, sizeof length, err));
    CSO_TRY_DONE(cso_save_write(save, header.data, header.size, err));
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;
        CSO_TRY_DONE(item_bytes(&items[i], &bytes, err));
        CSO_TRY_DONE(cso_save_write(save, items[i].data, bytes, err)); /* f32 is little-endian on every machine we build for */
    }
    status = cso_save_commit(save, err);
    save = NULL;
done:
    cso_save_abort(save);
    free(header.data);
    return status;
}
