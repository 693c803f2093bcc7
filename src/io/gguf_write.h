/* gguf_write.h - writing GGUF version 3, one file, as a stream: keys first, then the table of tensors, then their bytes in the
 * table's order, in blocks of any size. No tensor needs to be in memory as a whole. The file appears whole or not at all
 * (cso_save).
 *
 *   begin; the keys in any order; tensor ...; write ... (the header goes out with the first); commit
 *
 * A failed allocation in a key is remembered and reported by the next call that returns a status.
 */
#ifndef CSO_GGUF_WRITE_H
#define CSO_GGUF_WRITE_H

#include "base/status.h"
#include "gguf.h"
#include "kernels/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_gguf_writer cso_gguf_writer;

cso_status cso_gguf_writer_begin(cso_gguf_writer **writer, const char *path, cso_error *err);

void cso_gguf_writer_u32(cso_gguf_writer *writer, const char *key, uint32_t value);
void cso_gguf_writer_f32(cso_gguf_writer *writer, const char *key, float value);
void cso_gguf_writer_bool(cso_gguf_writer *writer, const char *key, bool value);
void cso_gguf_writer_string(cso_gguf_writer *writer, const char *key, const char *value);
/* Arrays. sizes: bytes of each string; NULL: they end with a zero. */
void cso_gguf_writer_strings(cso_gguf_writer *writer, const char *key, const char *const *items, const size_t *sizes, size_t count);
void cso_gguf_writer_i32s(cso_gguf_writer *writer, const char *key, const int32_t *items, size_t count);
void cso_gguf_writer_f32s(cso_gguf_writer *writer, const char *key, const float *items, size_t count);
/* A value of any type, copied from another file. */
void cso_gguf_writer_value(cso_gguf_writer *writer, const cso_gguf_value *value);

/* Adds a tensor to the table. shape as in cso_tensor: slowest dimension first. The name must stay valid until commit. */
cso_status cso_gguf_writer_tensor(cso_gguf_writer *writer, const char *name, cso_dtype dtype, int n_dims, const size_t *shape,
                                  cso_error *err);
/* The next bytes of the tensors' data; padding between tensors is added. */
cso_status cso_gguf_writer_write(cso_gguf_writer *writer, const void *data, size_t size, cso_error *err);
/* Frees the writer, also on failure. Missing data is CSO_ERR_INTERNAL, and no file appears. */
cso_status cso_gguf_writer_commit(cso_gguf_writer *writer, cso_error *err);
void cso_gguf_writer_abort(cso_gguf_writer *writer); /* NULL is fine */

#endif
