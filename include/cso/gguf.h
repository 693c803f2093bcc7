/* gguf.h - reading GGUF versions 2 and 3, one file or split (-00001-of-00003.gguf), after the specification
 * (ggml-org/ggml docs/gguf.md). Every count, length, offset and product is checked before it is used; what the file says never
 * causes an allocation larger than the file.
 */
#ifndef CSO_GGUF_H
#define CSO_GGUF_H

#include "cso/file.h"
#include "cso/status.h"
#include "cso/tensor.h"

typedef enum cso_gguf_type {
    CSO_GGUF_UINT8, CSO_GGUF_INT8, CSO_GGUF_UINT16, CSO_GGUF_INT16, CSO_GGUF_UINT32, CSO_GGUF_INT32, CSO_GGUF_FLOAT32,
    CSO_GGUF_BOOL, CSO_GGUF_STRING, CSO_GGUF_ARRAY, CSO_GGUF_UINT64, CSO_GGUF_INT64, CSO_GGUF_FLOAT64
} cso_gguf_type;

typedef struct cso_gguf_value {
    const char *key; /* zero-terminated copy */
    cso_gguf_type type;
    cso_gguf_type item; /* of an array */
    size_t count;       /* items of an array, bytes of a string */
    const uint8_t *data; /* in the mapping, unaligned: the scalar, the string's bytes, or the array's first item */
    size_t size;         /* bytes at data */
} cso_gguf_value;

typedef struct cso_gguf cso_gguf;

/* path: any file, or the first part, of a model. */
cso_status cso_gguf_open(cso_gguf **gguf, const char *path, cso_error *err);
void cso_gguf_close(cso_gguf *gguf);

size_t cso_gguf_tensor_count(const cso_gguf *gguf);
const cso_tensor *cso_gguf_tensor_at(const cso_gguf *gguf, size_t index);
const cso_tensor *cso_gguf_tensor(const cso_gguf *gguf, const char *name); /* NULL: none; hashed */
size_t cso_gguf_value_count(const cso_gguf *gguf);
const cso_gguf_value *cso_gguf_value_at(const cso_gguf *gguf, size_t index);
const cso_gguf_value *cso_gguf_find(const cso_gguf *gguf, const char *key);

/* Typed reads. found (may be NULL: then the key is required) tells whether the key is there; a wrong type is an error naming the key.
 * Integers of any width and sign are taken where they fit. */
cso_status cso_gguf_get_size(const cso_gguf *gguf, const char *key, size_t *number, bool *found, cso_error *err);
cso_status cso_gguf_get_float(const cso_gguf *gguf, const char *key, double *number, bool *found, cso_error *err);
cso_status cso_gguf_get_bool(const cso_gguf *gguf, const char *key, bool *value, bool *found, cso_error *err);
/* *text points into the mapping: *size bytes, no terminating zero. */
cso_status cso_gguf_get_string(const cso_gguf *gguf, const char *key, const char **text, size_t *size, bool *found, cso_error *err);

/* Walks an array of strings: start with *cursor = 0; call count times. */
void cso_gguf_next_string(const cso_gguf_value *array, size_t *cursor, const char **text, size_t *size);
/* Item i of an array of numbers (any width) as a double / int64. */
double cso_gguf_array_float(const cso_gguf_value *array, size_t i);
int64_t cso_gguf_array_int(const cso_gguf_value *array, size_t i);

#endif
