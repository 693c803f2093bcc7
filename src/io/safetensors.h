/* safetensors.h - reading and writing safetensors files (format: huggingface/safetensors README).
 *
 *   u64 little-endian: bytes of the header   header: JSON, may end in spaces   data
 *   {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *
 * Reading refuses what the reference refuses: header over 100 MB or past the end, not JSON, duplicate names, unknown dtypes,
 * offsets that overlap, leave holes, or disagree with shape and dtype. Tensors are listed in the order of the header.
 */
#ifndef CSO_SAFETENSORS_H
#define CSO_SAFETENSORS_H

#include "base/file.h"
#include "base/status.h"
#include "kernels/tensor.h"

typedef struct cso_safetensors cso_safetensors;

cso_status cso_safetensors_open(cso_safetensors **file, const char *path, cso_error *err);
/* A file in memory, which must stay there until close; name is for messages. */
cso_status cso_safetensors_open_memory(cso_safetensors **file, const void *data, size_t size, const char *name, cso_error *err);
void cso_safetensors_close(cso_safetensors *file); /* NULL is fine */
size_t cso_safetensors_count(const cso_safetensors *file);
const cso_tensor *cso_safetensors_at(const cso_safetensors *file, size_t index);
const cso_tensor *cso_safetensors_find(const cso_safetensors *file, const char *name);
/* The value of a key of __metadata__, NULL if there is none. */
const char *cso_safetensors_metadata(const cso_safetensors *file, const char *key);
const char *cso_safetensors_path(const cso_safetensors *file);

/* Tensors that a cso_tensor cannot hold (I32, I64, U8, BOOL, F64, ..., or more than four dimensions) are checked but not listed
 * above; this reads any tensor raw. *dtype is the name in the file. */
cso_status cso_safetensors_raw(const cso_safetensors *file, const char *name, const char **dtype, const void **data, size_t *size,
                               cso_error *err);

/* One tensor to write: f32 data. */
typedef struct cso_safetensors_item {
    const char *name;
    const float *data;
    int n_dims;
    size_t shape[CSO_MAX_DIMS];
} cso_safetensors_item;

/* Writes the file whole or not at all (cso_save). metadata: key, value, key, value, ..., NULL; may be NULL. */
cso_status cso_safetensors_write(const char *path, const cso_safetensors_item *items, size_t count, const char *const *metadata,
                                 cso_error *err);

#endif
