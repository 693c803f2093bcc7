/* gguf_write.c - GGUF version 3 as a stream (specification: ggml-org/ggml docs/gguf.md).
 *
 *   "GGUF"  u32 version  u64 tensors  u64 keys
 *   each key:     string key, u32 type, value     (a string: u64 bytes, bytes; an array: u32 item type, u64 items, items)
 *   each tensor:  string name, u32 dimensions, u64 each (fastest first), u32 type, u64 offset in the data
 *   zeros up to a multiple of 32, then the data: each tensor begins at a multiple of 32
 */
#include "gguf_write.h"

#include "base/file.h"
#include "base/memory.h"
#include "json.h"
#include "kernels/tensor.h"
#include "name_index.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32 };

struct cso_gguf_writer {
    cso_save *save;
    cso_text keys, table; /* bytes as in the file */
    uint64_t key_count, tensor_count;
    size_t *sizes; /* (tensor_count) bytes of each tensor */
    size_t size_capacity;
    uint64_t offset; /* offset of the next tensor of the table */
    bool header_written;
    size_t current, done; /* the tensor being written, and its bytes so far */
    cso_name_index names;
};

cso_status cso_gguf_writer_begin(cso_gguf_writer **result, const char *path, cso_error *err) {
    *result = NULL;
    cso_gguf_writer *writer = cso_calloc(1, sizeof *writer);
    if (!writer)
        return cso_fail_memory(err, path);
    cso_status status = cso_save_begin(&writer->save, path, err);
    if (status == CSO_OK)
        *result = writer;
    else
        cso_gguf_writer_abort(writer);
    return status;
}

void cso_gguf_writer_abort(cso_gguf_writer *writer) {
    if (!writer)
        return;
    cso_save_abort(writer->save);
    cso_name_index_free(&writer->names);
    free(writer->keys.data);
    free(writer->table.data);
    free(writer->sizes);
    free(writer);
}

/* Numbers are little-endian on every machine this is built for. */
static void add_u32(cso_text *text, uint32_t number) {
    cso_text_add(text, (const char *)&number, sizeof number);
}

static void add_u64(cso_text *text, uint64_t number) {
    cso_text_add(text, (const char *)&number, sizeof number);
}

static void add_string(cso_text *text, const char *bytes, size_t size) {
    add_u64(text, size);
    cso_text_add(text, bytes, size);
}

static void add_key(cso_gguf_writer *writer, const char *key, cso_gguf_type type) {
    add_string(&writer->keys, key, strlen(key));
    add_u32(&writer->keys, type);
    writer->key_count++;
}

static void add_array(cso_gguf_writer *writer, const char *key, cso_gguf_type item, size_t count) {
    add_key(writer, key, CSO_GGUF_ARRAY);
    add_u32(&writer->keys, item);
    add_u64(&writer->keys, count);
}

void cso_gguf_writer_u32(cso_gguf_writer *writer, const char *key, uint32_t value) {
    add_key(writer, key, CSO_GGUF_UINT32);
    add_u32(&writer->keys, value);
}

void cso_gguf_writer_f32(cso_gguf_writer *writer, const char *key, float value) {
    add_key(writer, key, CSO_GGUF_FLOAT32);
    cso_text_add(&writer->keys, (const char *)&value, sizeof value);
}

void cso_gguf_writer_bool(cso_gguf_writer *writer, const char *key, bool value) {
    add_key(writer, key, CSO_GGUF_BOOL);
    cso_text_add(&writer->keys, value ? "\1" : "\0", 1);
}

void cso_gguf_writer_string(cso_gguf_writer *writer, const char *key, const char *value) {
    add_key(writer, key, CSO_GGUF_STRING);
    add_string(&writer->keys, value, strlen(value));
}

void cso_gguf_writer_strings(cso_gguf_writer *writer, const char *key, const char *const *items, const size_t *sizes,
                             size_t count) {
    add_array(writer, key, CSO_GGUF_STRING, count);
    for (size_t i = 0; i < count; i++)
        add_string(&writer->keys, items[i], sizes ? sizes[i] : strlen(items[i]));
}

void cso_gguf_writer_i32s(cso_gguf_writer *writer, const char *key, const int32_t *items, size_t count) {
    add_array(writer, key, CSO_GGUF_INT32, count);
    cso_text_add(&writer->keys, (const char *)items, count * sizeof *items);
}

void cso_gguf_writer_f32s(cso_gguf_writer *writer, const char *key, const float *items, size_t count) {
    add_array(writer, key, CSO_GGUF_FLOAT32, count);
    cso_text_add(&writer->keys, (const char *)items, count * sizeof *items);
}

void cso_gguf_writer_value(cso_gguf_writer *writer, const cso_gguf_value *value) {
    if (value->type == CSO_GGUF_ARRAY)
        add_array(writer, value->key, value->item, value->count);
    else
        add_key(writer, value->key, value->type);
    if (value->type == CSO_GGUF_STRING)
        add_u64(&writer->keys, value->size);
    cso_text_add(&writer->keys, (const char *)value->data, value->size);
}

cso_status cso_gguf_writer_tensor(cso_gguf_writer *writer, const char *name, cso_dtype dtype, int n_dims, const size_t *shape,
                                  cso_error *err) {
    size_t size = 0;
    bool known, fits = !writer->header_written && n_dims >= 1 && n_dims <= CSO_MAX_DIMS &&
                       cso_dtype_row_bytes(dtype, shape[n_dims - 1], &size);
    for (int i = 0; fits && i + 1 < n_dims; i++)
        fits = cso_size_mul(size, shape[i], &size);
    if (!fits)
        return cso_fail(err, CSO_ERR_INTERNAL, "tensor %s has a shape that cannot be written as %s", name,
                        cso_dtype_get(dtype)->name);
    if (!cso_grow(&writer->sizes, &writer->size_capacity, writer->tensor_count + 1, sizeof *writer->sizes) ||
        !cso_name_index_add(&writer->names, name, writer->tensor_count, &known))
        return cso_fail_memory(err, "the table of tensors");
    if (known)
        return cso_fail(err, CSO_ERR_INTERNAL, "tensor %s is to be written twice", name);
    add_string(&writer->table, name, strlen(name));
    add_u32(&writer->table, (uint32_t)n_dims);
    for (int i = n_dims; i-- > 0;)
        add_u64(&writer->table, shape[i]);
    add_u32(&writer->table, cso_dtype_get(dtype)->ggml);
    add_u64(&writer->table, writer->offset);
    writer->sizes[writer->tensor_count++] = size;
    writer->offset += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return CSO_OK;
}

static cso_status write_padding(cso_gguf_writer *writer, uint64_t position, cso_error *err) {
    static const char zeros[ALIGNMENT] = {0};
    return cso_save_write(writer->save, zeros, (ALIGNMENT - position % ALIGNMENT) % ALIGNMENT, err);
}

static cso_status write_header(cso_gguf_writer *writer, cso_error *err) {
    cso_text start = {0};
    cso_text_add(&start, "GGUF", 4);
    add_u32(&start, VERSION);
    add_u64(&start, writer->tensor_count);
    add_u64(&start, writer->key_count);
    cso_status status = CSO_OK;
    if (start.failed || writer->keys.failed || writer->table.failed)
        status = cso_fail_memory(err, "a file's header");
    if (status == CSO_OK)
        status = cso_save_write(writer->save, start.data, start.size, err);
    if (status == CSO_OK)
        status = cso_save_write(writer->save, writer->keys.data, writer->keys.size, err);
    if (status == CSO_OK)
        status = cso_save_write(writer->save, writer->table.data, writer->table.size, err);
    if (status == CSO_OK)
        status = write_padding(writer, start.size + writer->keys.size + writer->table.size, err);
    free(start.data);
    writer->header_written = true;
    return status;
}

/* Moves to the next tensor that has bytes. */
static cso_status next_tensor(cso_gguf_writer *writer, cso_error *err) {
    while (writer->current < writer->tensor_count && writer->done == writer->sizes[writer->current]) {
        CSO_TRY(write_padding(writer, writer->done, err));
        writer->current++;
        writer->done = 0;
    }
    return CSO_OK;
}

cso_status cso_gguf_writer_write(cso_gguf_writer *writer, const void *data, size_t size, cso_error *err) {
    const char *bytes = data;
    if (!writer->header_written)
        CSO_TRY(write_header(writer, err));
    CSO_TRY(next_tensor(writer, err));
    while (size) {
        if (writer->current == writer->tensor_count)
            return cso_fail(err, CSO_ERR_INTERNAL, "more data than the tensors of the table have");
        size_t left = writer->sizes[writer->current] - writer->done, piece = size < left ? size : left;
        CSO_TRY(cso_save_write(writer->save, bytes, piece, err));
        bytes += piece;
        size -= piece;
        writer->done += piece;
        CSO_TRY(next_tensor(writer, err));
    }
    return CSO_OK;
}

cso_status cso_gguf_writer_commit(cso_gguf_writer *writer, cso_error *err) {
    cso_status status = cso_gguf_writer_write(writer, NULL, 0, err);
    if (status == CSO_OK && writer->current < writer->tensor_count)
        status = cso_fail(err, CSO_ERR_INTERNAL, "tensor %zu of the table lacks data", writer->current);
    if (status == CSO_OK) {
        status = cso_save_commit(writer->save, err);
        writer->save = NULL;
    }
    cso_gguf_writer_abort(writer);
    return status;
}
