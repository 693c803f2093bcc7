/* gguf.h - reading GGUF versions 2 and 3, one file or split (-00001-of-00003.gguf), by the specification (ggml-org/ggml
 * docs/gguf.md). Every count, length, offset and product is checked before it is used; memory grows with the entries read so far,
 * never with a count that a file claims. Messages name the key or tensor and the byte offset.
 *
 * Also refused, beyond what the specification forbids: arrays in arrays, duplicate keys and tensors, tensors that overlap, types
 * that dtype.h lacks. Tensors may come in any order, have zero elements, and leave gaps.
 */
#ifndef CSO_GGUF_H
#define CSO_GGUF_H

#include "base/file.h"
#include "base/status.h"
#include "kernels/tensor.h"

typedef enum cso_gguf_type {
    CSO_GGUF_UINT8,
    CSO_GGUF_INT8,
    CSO_GGUF_UINT16,
    CSO_GGUF_INT16,
    CSO_GGUF_UINT32,
    CSO_GGUF_INT32,
    CSO_GGUF_FLOAT32,
    CSO_GGUF_BOOL,
    CSO_GGUF_STRING,
    CSO_GGUF_ARRAY,
    CSO_GGUF_UINT64,
    CSO_GGUF_INT64,
    CSO_GGUF_FLOAT64
} cso_gguf_type;

typedef struct cso_gguf_value {
    const char *key; /* zero-terminated copy */
    cso_gguf_type type;
    cso_gguf_type item;  /* of an array */
    size_t count;        /* items of an array, bytes of a string, 1 for a scalar */
    const uint8_t *data; /* in the mapping, unaligned: the scalar, the string's bytes, or the array's first item */
    size_t size;         /* bytes at data */
} cso_gguf_value;

typedef struct cso_gguf cso_gguf;

/* path: a file, or the first part of a split model. The keys of a split model are those of its first part. */
cso_status cso_gguf_open(cso_gguf **gguf, const char *path, cso_error *err);
/* One file in memory, which must stay there until close; name is for messages. */
cso_status cso_gguf_open_memory(cso_gguf **gguf, const void *data, size_t size, const char *name, cso_error *err);
void cso_gguf_close(cso_gguf *gguf); /* NULL is fine */
/* Whether a file's name marks it as a part after the first, which cannot be opened: "m-00002-of-00003.gguf". */
bool cso_gguf_is_later_part(const char *name);
/* *path (the caller frees): the only .gguf file of a folder, or the first part of the only model in parts; NULL: there is none.
 * Several are CSO_ERR_INPUT. */
cso_status cso_gguf_find_in(const char *folder, char **path, cso_error *err);

const char *cso_gguf_path(const cso_gguf *gguf); /* of the first part */
size_t cso_gguf_tensor_count(const cso_gguf *gguf);
const cso_tensor *cso_gguf_tensor_at(const cso_gguf *gguf, size_t index);
const cso_tensor *cso_gguf_tensor(const cso_gguf *gguf, const char *name); /* NULL: none; hashed */
size_t cso_gguf_value_count(const cso_gguf *gguf);
const cso_gguf_value *cso_gguf_value_at(const cso_gguf *gguf, size_t index);
const cso_gguf_value *cso_gguf_find(const cso_gguf *gguf, const char *key);

/* Typed reads. *found: whether the key is present; if not, the result is unchanged. found NULL: the key is required. A wrong
 * type is an error naming the key. Integers of any width and sign are accepted if they fit; get_float accepts integers too. */
cso_status cso_gguf_get_size(const cso_gguf *gguf, const char *key, size_t *number, bool *found, cso_error *err);
cso_status cso_gguf_get_float(const cso_gguf *gguf, const char *key, double *number, bool *found, cso_error *err);
cso_status cso_gguf_get_bool(const cso_gguf *gguf, const char *key, bool *value, bool *found, cso_error *err);
/* *text points into the mapping: *size bytes, no terminating zero. */
cso_status cso_gguf_get_string(const cso_gguf *gguf, const char *key, const char **text, size_t *size, bool *found, cso_error *err);
/* An array whose items are strings (strings != 0) or numbers. */
cso_status cso_gguf_get_array(const cso_gguf *gguf, const char *key, bool strings, const cso_gguf_value **array, bool *found,
                              cso_error *err);

/* Walks an array of strings: start with *cursor = 0; call count times. */
void cso_gguf_next_string(const cso_gguf_value *array, size_t *cursor, const char **text, size_t *size);
/* Item i of an array of numbers or booleans (any width) as a double / int64; 0 for other arrays. An unsigned item above 2^63
 * - 1 is INT64_MAX; a float is truncated to an integer. */
double cso_gguf_array_float(const cso_gguf_value *array, size_t i);
int64_t cso_gguf_array_int(const cso_gguf_value *array, size_t i);

#endif
