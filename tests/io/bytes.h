/* bytes.h - files that tests make: bytes one after the other, GGUF pieces among them. Failed allocations fail the test. */
#ifndef CSO_TESTS_BYTES_H
#define CSO_TESTS_BYTES_H

#include "io/gguf.h"

#include <stddef.h>
#include <stdint.h>

typedef struct bytes {
    uint8_t *data;
    size_t size, capacity;
} bytes;

void bytes_add(bytes *b, const void *data, size_t size);
void bytes_text(bytes *b, const char *text); /* without the zero */
void bytes_u8(bytes *b, unsigned value);
void bytes_u32(bytes *b, uint32_t value);
void bytes_u64(bytes *b, uint64_t value);
void bytes_zeros(bytes *b, size_t count);
void bytes_free(bytes *b);
/* A copy in an allocation of exactly its size, so that a sanitizer sees a read past the end. */
uint8_t *bytes_exact(const void *data, size_t size);
/* Seconds of processor time so far, made comparable with a plain build's: a sanitizer's build is slower. */
double work_seconds(void);
/* Seconds of a program of this build, made comparable in the same way. */
double comparable_seconds(double seconds);
void bytes_save(const char *path, const void *data, size_t size);

void gguf_header(bytes *b, uint32_t version, uint64_t tensors, uint64_t keys);
void gguf_string(bytes *b, const char *text);
void gguf_key(bytes *b, const char *key, uint32_t type); /* the value follows */
void gguf_key_u32(bytes *b, const char *key, uint32_t value);
void gguf_key_string(bytes *b, const char *key, const char *value);
void gguf_key_array(bytes *b, const char *key, uint32_t item, uint64_t count);
/* dims fastest first, as in the file. */
void gguf_tensor(bytes *b, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset);
void gguf_pad(bytes *b, size_t alignment);

#endif
