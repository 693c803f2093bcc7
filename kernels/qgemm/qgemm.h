/* qgemm.h - products of few or many rows with stored weights, mostly in integers: what decoding computes with.
 *
 * out[i, j] = sum over c of x[i, c] W[j, c]. The rows of x are quantized to 8-bit integers, 32 numbers with a scale at a time, and
 * multiplied with the integers of the stored blocks; qgemm_tile.h has the arithmetic. A result's bits depend on its row of x and
 * its row of W alone: not on the other rows in the call, their number or order, the threads, the variant of the kernels
 * (CSO_KERNELS), or whether W was packed before. Training does not use this: gemm.h computes in f32. Weights in F32, F16 and BF16
 * are multiplied in f32 with x as it is, with the same promise.
 *
 * The integer instructions want the weights of sixteen rows of W side by side (panels). Stored weights are mapped and stay as they
 * are, so there are two ways: each product packs what it needs into a scratch buffer of its thread, which costs little where many
 * rows use it (2 to 10 % of the time with 512 rows) but makes a product with one row five to ten times slower; or cso_qgemm_pack
 * makes a packed copy, of about the stored size, once. The copy also lies in huge pages, which mapped files do
 * not; that is all that packing does for F32, F16 and BF16.
 */
#ifndef CSO_QGEMM_H
#define CSO_QGEMM_H

#include "base/status.h"
#include "kernels/context.h"
#include "kernels/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of activations, quantized when the first product asks for it. One thread at a time may use it. */
typedef struct cso_qgemm_rows cso_qgemm_rows;

/* Errors: CSO_ERR_SYSTEM (memory), here and below. */
cso_status cso_qgemm_rows_create(cso_qgemm_rows **rows, cso_error *err);
void cso_qgemm_rows_free(cso_qgemm_rows *rows); /* NULL: nothing happens */
/* x (count, columns), with ldx floats between rows: read by the products that follow, until the next call. Buffers are kept and
 * grow. */
void cso_qgemm_rows_set(cso_qgemm_rows *rows, const float *x, size_t ldx, size_t count, size_t columns);

/* A weight matrix for products. Made by cso_qgemm_weight_of. */
typedef struct cso_qgemm_weight {
    cso_tensor tensor;     /* its data must outlive this, unless it is packed */
    const uint8_t *panels; /* in the memory of cso_qgemm_pack; NULL: not packed */
    size_t panel_bytes;
} cso_qgemm_weight;

/* A view of stored weights, which allocates nothing. */
cso_qgemm_weight cso_qgemm_weight_of(const cso_tensor *tensor);
/* Bytes that packing takes; false if they overflow. */
bool cso_qgemm_packed_bytes(const cso_tensor *tensor, size_t *bytes);
/* Packs weights, all of a model for instance, into one block: *memory, which the caller frees with free() after the last product.
 * NULL and an error leave the weights as they were. */
cso_status cso_qgemm_pack(cso_context *ctx, cso_qgemm_weight *weights, size_t count, void **memory, cso_error *err);

/* Rows row0 .. row0 + rows of a weight: out (count of x's rows, rows), with ld floats between rows. row0 is a multiple of 16. */
typedef struct cso_qgemm_product {
    const cso_qgemm_weight *weight;
    size_t row0, rows;
    float *out;
    size_t ld;
} cso_qgemm_product;

/* Several products with the same rows of x, such as those of query, key and value, in one go: threads meet once. All weights have
 * x's number of columns. out must not overlap x. */
cso_status cso_qgemm(cso_context *ctx, cso_qgemm_rows *x, const cso_qgemm_product *products, size_t count, cso_error *err);

#endif
