/* fuzz_gguf.c - what the GGUF reader accepts must be readable to the last byte. */
#include "io/gguf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; /* so that reads are not optimized away */

static void touch(const void *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        sink ^= ((const uint8_t *)data)[i];
}

static void read_value(const cso_gguf *gguf, const cso_gguf_value *value) {
    size_t number, length;
    double real;
    bool flag, found;
    const char *text;
    cso_error err;
    touch(value->data, value->size);
    cso_gguf_get_size(gguf, value->key, &number, &found, &err);
    cso_gguf_get_float(gguf, value->key, &real, &found, &err);
    cso_gguf_get_bool(gguf, value->key, &flag, &found, &err);
    cso_gguf_get_string(gguf, value->key, &text, &length, &found, &err);
    if (cso_gguf_find(gguf, value->key) != value)
        __builtin_trap();
    if (value->type != CSO_GGUF_ARRAY)
        return;
    size_t cursor = 0;
    for (size_t i = 0; i < value->count; i++) {
        if (value->item == CSO_GGUF_STRING) {
            cso_gguf_next_string(value, &cursor, &text, &length);
            touch(text, length);
        } else {
            sink ^= (uint8_t)cso_gguf_array_int(value, i);
            sink ^= cso_gguf_array_float(value, i) > 0;
        }
    }
    if (value->item == CSO_GGUF_STRING && cursor != value->size)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cso_gguf *gguf;
    cso_error err = {0};
    cso_status status = cso_gguf_open_memory(&gguf, data, size, "fuzz", &err);
    if (status != CSO_OK) {
        if (status != CSO_ERR_INPUT || !err.message[0] || gguf)
            __builtin_trap();
        return 0;
    }
    for (size_t i = 0; i < cso_gguf_value_count(gguf); i++)
        read_value(gguf, cso_gguf_value_at(gguf, i));
    size_t total = 0;
    for (size_t i = 0; i < cso_gguf_tensor_count(gguf); i++) {
        const cso_tensor *tensor = cso_gguf_tensor_at(gguf, i);
        if (cso_gguf_tensor(gguf, tensor->name) != tensor || cso_tensor_rows(tensor) * tensor->row_bytes != tensor->size)
            __builtin_trap();
        touch(tensor->data, tensor->size);
        total += tensor->size;
    }
    if (total > size) /* they do not overlap */
        __builtin_trap();
    cso_gguf_close(gguf);
    return 0;
}
