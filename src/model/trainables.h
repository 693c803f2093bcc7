/* trainables.h - the table of what is trained: named arrays that lie in one flat f32 array.
 *
 * Parameters, gradients and optimizer state have this one layout. Optimizers, checkpoints and guards go by the table and know
 * nothing of what the arrays do in the model; only src/model and src/engine know that. A new kind of array (DoRA's magnitudes, a
 * model's own weights) is a value of cso_trainable_kind, a row of the table in trainables.c, and rows that whoever lays out the
 * flat array adds (lora.c).
 */
#ifndef CSO_TRAINABLES_H
#define CSO_TRAINABLES_H

#include "base/status.h"
#include "io/safetensors.h"
#include "kernels/tensor.h"

#include <stddef.h>

typedef enum cso_trainable_kind { CSO_LORA_A, CSO_LORA_B, CSO_TRAINABLE_KINDS } cso_trainable_kind;

typedef struct cso_trainable {
    cso_trainable_kind kind;
    size_t rows, columns;    /* row-major */
    size_t offset;           /* of its first number in the flat array */
    size_t group;            /* arrays of one group are adjacent in the table and adapt one weight together: the gradient of one may
                              * rightly be zero, that of all may not */
    char place[32];          /* where it is, for messages: "layer 3 q_proj" */
    char name[CSO_MAX_NAME]; /* its key in a file: "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight" */
} cso_trainable;

/* The arrays in the order of files; together they cover the n_params numbers, each exactly once. Owned by the adapter. */
typedef struct cso_trainables {
    const cso_trainable *items;
    size_t count;
    size_t n_params;
    float *params; /* (n_params) */
} cso_trainables;

static inline size_t cso_trainable_size(const cso_trainable *item) {
    return item->rows * item->columns;
}

/* "lora_A", for messages; and how a key ends: ".lora_A.weight". */
const char *cso_trainable_part(cso_trainable_kind kind);
const char *cso_trainable_suffix(cso_trainable_kind kind);

/* The array that number `index` of the flat array belongs to; NULL if there is none. */
const cso_trainable *cso_trainables_at(const cso_trainables *trained, size_t index);

/* Whether the file has every array with its shape, as F32, F16 or BF16: CSO_ERR_INPUT names the tensor if not. Tensors beyond
 * these do not count. */
cso_status cso_trainables_check(const cso_trainables *trained, const cso_safetensors *file, cso_error *err);
/* The same, then values[n_params] = the file's numbers, which must be finite. */
cso_status cso_trainables_read(const cso_trainables *trained, const cso_safetensors *file, float *values, cso_error *err);
/* Writes the parameters: F32, the table's names, shapes and order; the file appears whole or not at all. */
cso_status cso_trainables_write(const cso_trainables *trained, const char *path, cso_error *err);

#endif
