/* random_weights.h - the numbers of a random model, row by row; internal to src/synth. */
#ifndef CSO_RANDOM_WEIGHTS_H
#define CSO_RANDOM_WEIGHTS_H

#include "base/parallel.h"
#include "base/status.h"
#include "kernels/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cso_random_kind {
    CSO_RANDOM_MATRIX,    /* normal numbers of deviation `deviation` */
    CSO_RANDOM_NORM,      /* center + k/128, |k| <= 32: exact in every plain type, whether 1 was added or not */
    CSO_RANDOM_BIAS,      /* k/1024, |k| <= 128 */
    CSO_RANDOM_ROPE_FREQS /* not random: the caller's numbers */
} cso_random_kind;

typedef struct cso_random_tensor {
    char hf[96], name[96]; /* Hugging Face's name, which seeds; the name in the file */
    cso_random_kind kind;
    cso_dtype dtype;
    int n_dims;
    size_t shape[4];
    size_t interleaved_head_dim; /* as in cso_tensor: rows are stored in GGUF's order */
    float deviation, center;
    const float *values; /* CSO_RANDOM_ROPE_FREQS */
} cso_random_tensor;

/* The table of random runs, and its encodings for the latest types and deviations. */
enum { CSO_RANDOM_SLOTS = 4 };
typedef struct cso_random_slot {
    uint8_t *encoded; /* NULL: the slot is free */
    cso_dtype dtype;
    float deviation;
} cso_random_slot;

typedef struct cso_random_table {
    cso_pool *pool; /* that makes rows */
    uint64_t seed;
    float *normals; /* (RUNS * RUN), deviation 1 */
    bool drawn;     /* normals are there */
    cso_random_slot slots[CSO_RANDOM_SLOTS];
    size_t next_slot;
    const uint8_t *current; /* the encoding for the current tensor */
} cso_random_table;

/* threads: as in cso_pool_create. */
cso_status cso_random_table_create(cso_random_table *table, uint64_t seed, int threads, cso_error *err);
void cso_random_table_free(cso_random_table *table);

size_t cso_random_tensor_rows(const cso_random_tensor *tensor);
size_t cso_random_tensor_row_bytes(const cso_random_tensor *tensor);

/* Call before asking for the tensor's rows. */
cso_status cso_random_tensor_prepare(const cso_random_tensor *tensor, cso_random_table *table, cso_error *err);
/* The stored bytes of rows begin ... begin + count - 1 (in the file's order), computed in parallel; the bits do not depend on
 * how. */
void cso_random_tensor_fill(const cso_random_tensor *tensor, const cso_random_table *table, size_t begin, size_t count, void *out);

#endif
