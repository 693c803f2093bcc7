/* bytes.c - files that tests make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void bytes_add(bytes *b, const void *data, size_t size) {
    assert_true(cso_grow(&b->data, &b->capacity, b->size + size, 1));
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_text(bytes *b, const char *text) {
    bytes_add(b, text, strlen(text));
}

void bytes_u8(bytes *b, unsigned value) {
    uint8_t byte = (uint8_t)value;
    bytes_add(b, &byte, 1);
}

void bytes_u32(bytes *b, uint32_t value) {
    bytes_add(b, &value, sizeof value);
}

void bytes_u64(bytes *b, uint64_t value) {
    bytes_add(b, &value, sizeof value);
}

void bytes_zeros(bytes *b, size_t count) {
    while (count--)
        bytes_u8(b, 0);
}

void bytes_free(bytes *b) {
    free(b->data);
    *b = (bytes){0};
}

uint8_t *bytes_exact(const void *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

void bytes_save(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

double work_seconds(void) {
    return comparable_seconds((double)clock() / CLOCKS_PER_SEC);
}

double comparable_seconds(double seconds) {
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
    return seconds / 20;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
    return seconds / 20;
#endif
#endif
    return seconds;
}

void gguf_header(bytes *b, uint32_t version, uint64_t tensors, uint64_t keys) {
    bytes_text(b, "GGUF");
    bytes_u32(b, version);
    bytes_u64(b, tensors);
    bytes_u64(b, keys);
}

void gguf_string(bytes *b, const char *text) {
    bytes_u64(b, strlen(text));
    bytes_text(b, text);
}

void gguf_key(bytes *b, const char *key, uint32_t type) {
    gguf_string(b, key);
    bytes_u32(b, type);
}

void gguf_key_u32(bytes *b, const char *key, uint32_t value) {
    gguf_key(b, key, CSO_GGUF_UINT32);
    bytes_u32(b, value);
}

void gguf_key_string(bytes *b, const char *key, const char *value) {
    gguf_key(b, key, CSO_GGUF_STRING);
    gguf_string(b, value);
}

void gguf_key_array(bytes *b, const char *key, uint32_t item, uint64_t count) {
    gguf_key(b, key, CSO_GGUF_ARRAY);
    bytes_u32(b, item);
    bytes_u64(b, count);
}

void gguf_tensor(bytes *b, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset) {
    gguf_string(b, name);
    bytes_u32(b, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        bytes_u64(b, dims[i]);
    bytes_u32(b, type);
    bytes_u64(b, offset);
}

void gguf_pad(bytes *b, size_t alignment) {
    while (b->size % alignment)
        bytes_u8(b, 0);
}
