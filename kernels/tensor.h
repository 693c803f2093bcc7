/* tensor.h - a view of a stored matrix or vector. */
#ifndef CSO_TENSOR_H
#define CSO_TENSOR_H

#include "dtype.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CSO_MAX_DIMS = 4, CSO_MAX_NAME = 256 };

/* shape in memory order, slowest first, as Hugging Face writes it: a linear layer's weight is (out_features, in_features).
 * (GGUF writes the same numbers reversed; gguf.h turns them.) */
typedef struct cso_tensor {
    const char *name; /* owned by the file it comes from */
    const void *data; /* in the mapping, read-only; any alignment */
    cso_dtype dtype;
    int n_dims; /* 0..4; a scalar has 0 */
    size_t shape[CSO_MAX_DIMS];
    size_t row_bytes; /* bytes of one run of shape[n_dims - 1] weights */
    size_t size;      /* bytes in all */
    /* GGUF stores the rows of Q and K of the llama family in the order of interleaved rotary pairs. Where head_dim is not 0,
     * row h * head_dim + j * head_dim/2 + i of the matrix (Hugging Face's order, j in {0,1}) is stored as row
     * h * head_dim + 2 * i + j. All above this view sees Hugging Face's order only. */
    size_t interleaved_head_dim;
} cso_tensor;

static inline size_t cso_tensor_rows(const cso_tensor *t) {
    size_t rows = 1;
    for (int i = 0; i + 1 < t->n_dims; i++)
        rows *= t->shape[i];
    return rows;
}

static inline size_t cso_tensor_columns(const cso_tensor *t) {
    return t->n_dims ? t->shape[t->n_dims - 1] : 1;
}

/* The stored bytes of row `row` (in Hugging Face's order). */
static inline const void *cso_tensor_row(const cso_tensor *t, size_t row) {
    if (t->interleaved_head_dim) {
        size_t d = t->interleaved_head_dim, in_head = row % d, half = d / 2;
        row = row - in_head + 2 * (in_head % half) + in_head / half;
    }
    return (const uint8_t *)t->data + row * t->row_bytes;
}

#ifdef __cplusplus
}
#endif
#endif
