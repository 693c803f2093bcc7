/* dtype.h - the types in which weights are stored.
 *
 * Block formats are those of GGML (ggml-common.h, "quants.py" of gguf-py): a row is a whole number of blocks, `block`
 * weights in `bytes` bytes each. One table (kernels/dtype.c) holds names, sizes, file ids and row functions.
 */
#ifndef CSO_DTYPE_H
#define CSO_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cso_dtype {
    CSO_F32,
    CSO_F16,
    CSO_BF16,
    CSO_Q4_0,
    CSO_Q4_1,
    CSO_Q5_0,
    CSO_Q5_1,
    CSO_Q8_0,
    CSO_Q2_K,
    CSO_Q3_K,
    CSO_Q4_K,
    CSO_Q5_K,
    CSO_Q6_K,
    CSO_IQ4_NL,
    CSO_IQ4_XS,
    CSO_DTYPE_COUNT
} cso_dtype;

typedef struct cso_dtype_info {
    const char *name;        /* "Q4_K", as GGUF tools print it */
    const char *safetensors; /* "BF16"; NULL where safetensors has no such type */
    uint32_t ggml;           /* type id in GGUF */
    uint32_t block;          /* weights in a block; 1 for plain types */
    uint32_t bytes;          /* bytes of a block */
} cso_dtype_info;

const cso_dtype_info *cso_dtype_get(cso_dtype dtype);
bool cso_dtype_from_ggml(uint32_t ggml, cso_dtype *dtype);           /* false: unknown or unsupported */
bool cso_dtype_from_safetensors(const char *name, cso_dtype *dtype); /* exact, case-sensitive */
/* Bytes of a row of `columns` weights; false if columns is no multiple of the block or the size overflows. */
bool cso_dtype_row_bytes(cso_dtype dtype, size_t columns, size_t *bytes);

/* out[columns] = the row at `data` (any alignment) as f32, exactly as GGML's reference does; columns a multiple of the block.
 * Uses the best instructions of this CPU, whatever CSO_KERNELS says: every variant of kernels.h gives the same bits. */
void cso_dequantize_row(cso_dtype dtype, const void *data, float *out, size_t columns);

/* Whether rows can be written in this type. */
bool cso_dtype_is_written(cso_dtype dtype);
/* out = the row x[columns] in a type that can be written (any alignment); columns a multiple of the block, all of x finite.
 * importance[columns], not negative: how much an error of each weight counts (the mean square of what it is multiplied with); NULL:
 * as GGML's reference does without. F32, F16, BF16, Q8_0, and without importances Q4_0, Q4_1, Q5_0 and Q5_1, have the bits of GGML's
 * reference; the K formats are searched as there (simd/quantize_search.h). The bits are the same on every processor. */
void cso_quantize_row(cso_dtype dtype, const float *x, const float *importance, void *out, size_t columns);

float cso_f16_to_f32(uint16_t half);
float cso_bf16_to_f32(uint16_t half);
uint16_t cso_f32_to_f16(float value);  /* round to nearest even */
uint16_t cso_f32_to_bf16(float value); /* round to nearest even, NaN stays NaN */

#ifdef __cplusplus
}
#endif
#endif
