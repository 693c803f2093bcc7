/* safetensors_stream.h - writing safetensors files of any size: the table first, then the tensors' bytes in its order, in
 * blocks of any size. The file appears whole or not at all (cso_save). */
#ifndef CSO_SAFETENSORS_STREAM_H
#define CSO_SAFETENSORS_STREAM_H

#include "base/status.h"
#include "kernels/dtype.h"
#include "kernels/tensor.h"

#include <stddef.h>

typedef struct cso_safetensors_stream cso_safetensors_stream;

/* One line of the table: dtype F32, F16 or BF16. */
typedef struct cso_safetensors_entry {
    const char *name;
    cso_dtype dtype;
    int n_dims;
    size_t shape[CSO_MAX_DIMS];
} cso_safetensors_entry;

/* metadata: key, value, key, value, ..., NULL; may be NULL. */
cso_status cso_safetensors_stream_begin(cso_safetensors_stream **stream, const char *path, const cso_safetensors_entry *entries,
                                        size_t count, const char *const *metadata, cso_error *err);
cso_status cso_safetensors_stream_write(cso_safetensors_stream *stream, const void *data, size_t size, cso_error *err);
/* Frees the stream, also on failure. Missing data is CSO_ERR_INTERNAL, and no file appears. */
cso_status cso_safetensors_stream_commit(cso_safetensors_stream *stream, cso_error *err);
void cso_safetensors_stream_abort(cso_safetensors_stream *stream); /* NULL is fine */

#endif
