/* gguf_file.h - the parts of an open GGUF. gguf_values.c looks keys and tensors up, gguf_parse.c fills it from one file,
 * gguf_read.c opens a model and joins its files; each uses only the files named before it. */
#ifndef CSO_GGUF_FILE_H
#define CSO_GGUF_FILE_H

#include "gguf.h"
#include "name_index.h"

typedef struct cso_gguf_part {
    cso_map map; /* of a file; zeroed for memory */
    char *name;  /* for messages */
    const uint8_t *data;
    size_t size;
} cso_gguf_part;

struct cso_gguf {
    cso_gguf_part *parts;
    size_t part_count;
    cso_gguf_value *values; /* of the first part */
    size_t value_count, value_capacity;
    cso_tensor *tensors; /* of all parts */
    size_t tensor_count, tensor_capacity;
    cso_name_index value_index, tensor_index;
};

/* Reads one file's keys and tensors into *gguf, which is empty. On failure it holds what was read so far. */
cso_status cso_gguf_parse(cso_gguf *gguf, const cso_gguf_part *part, cso_error *err);

/* Bytes of a scalar type, 0 for strings and arrays. */
size_t cso_gguf_type_bytes(cso_gguf_type type);
/* "uint32", ... */
const char *cso_gguf_type_name(cso_gguf_type type);

#endif
