/* gemm_internal.h - what the files of kernels/gemm share. */
#ifndef CSO_KERNELS_GEMM_INTERNAL_H
#define CSO_KERNELS_GEMM_INTERNAL_H

#include "gemm.h"

#include <stdint.h>

typedef struct cso_onednn cso_onednn;

typedef struct cso_gemm_buffer {
    void *data;
    size_t bytes;
} cso_gemm_buffer;

struct cso_gemm {
    cso_context *ctx;
    cso_onednn *onednn;    /* compute bf16; NULL: f32 */
    cso_gemm_buffer panel; /* weights */
};

/* Makes room for a * b * size bytes; the contents are lost. */
cso_status cso_gemm_reserve(cso_gemm_buffer *buffer, size_t a, size_t b, size_t size, cso_error *err);

/* Rows row0 .. row0+rows of a weight matrix. */
typedef struct cso_gemm_weight {
    const cso_tensor *tensor;
    size_t row0, rows, columns;
} cso_gemm_weight;

/* One product: result[m, n] = source[m, k] times W (+ result). backward: W as it is (n = columns, k = rows); else its
 * transpose. */
typedef struct cso_gemm_product {
    cso_context *ctx;
    float *result;
    size_t ldr;
    const float *source;
    size_t lds, m;
    cso_gemm_weight w;
    bool backward, accumulate;
    const cso_gemm_term *term; /* NULL: none */
} cso_gemm_product;

/* Can rows be read as f32 where they lie, one after the other? */
bool cso_gemm_in_place(const cso_gemm_weight *w);
/* out = weights column .. column+count of a row; column a multiple of the dtype's block. */
void cso_gemm_weights(const cso_kernels *kernels, const cso_gemm_weight *w, size_t row, size_t column, size_t count, float *out);

/* The backends. m and both sides of W are not 0. */
cso_status cso_gemm_panels(const cso_gemm_product *p, cso_error *err); /* f32 */
#ifdef CSO_HAVE_ONEDNN
cso_status cso_onednn_create(cso_onednn **onednn, cso_context *ctx, cso_error *err);
void cso_onednn_free(cso_onednn *onednn);
cso_status cso_gemm_onednn(cso_gemm *gemm, const cso_gemm_product *p, cso_error *err);
#endif

/* A f32 matrix on one side of a product, as BLAS wants it. */
typedef struct cso_gemm_operand {
    const float *data;
    size_t ld;
    bool trans;
} cso_gemm_operand;

/* Who multiplies f32 matrices: a file each, and a line in the table of serial.c. */
typedef struct cso_gemm_library {
    const char *name;
    /* Before a context uses it, outside of tasks; any thread may call it, as often as it likes. false: not on this processor. */
    bool (*prepare)(void);
    /* C[m,n] = alpha op(A) op(B) + beta C in the calling task; no side is 0. Where beta is 0, C is not read. */
    void (*multiply)(size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b, float beta, float *c,
                     size_t ldc);
} cso_gemm_library;
extern const cso_gemm_library cso_gemm_library_onednn, cso_gemm_library_openblas, cso_gemm_library_plain;
/* One line where OPENBLAS_CORETYPE makes OpenBLAS use slower kernels than it would choose without; NULL: it does not. After
 * OpenBLAS's prepare. */
const char *cso_openblas_held_back(void);

/* The context's library, from CSO_GEMM. CSO_ERR_USAGE where that names no library, or one that this build or processor lacks. */
cso_status cso_gemm_choose(cso_context *ctx, cso_error *err);

/* How a product's result [m, n] is cut into tasks: count_m * count_n tiles of tile_m x tile_n, smaller at the ends. */
typedef struct cso_gemm_tiles {
    size_t m, n, tile_m, tile_n, count_m, count_n;
} cso_gemm_tiles;

/* Rows i .. i+m and columns j .. j+n of the result. */
typedef struct cso_gemm_tile {
    size_t i, m, j, n;
} cso_gemm_tile;

/* Depends on the shape alone. tile_n is a multiple of unit. */
cso_gemm_tiles cso_gemm_tiles_choose(size_t m, size_t n, size_t unit);
cso_gemm_tile cso_gemm_tile_at(const cso_gemm_tiles *tiles, size_t index);

/* C[m,n] = alpha op(A) op(B) + beta C by the context's library in the calling task. */
void cso_gemm_serial(const cso_context *ctx, size_t m, size_t n, size_t k, float alpha, cso_gemm_operand a, cso_gemm_operand b,
                     float beta, float *c, size_t ldc);

/* Cuts `size` into equal pieces of about `target`, a multiple of `unit`: a short last piece would leave a thread idle. */
static inline size_t cso_gemm_piece(size_t size, size_t target, size_t unit) {
    size_t pieces = (size + target - 1) / target;
    size_t piece = pieces ? (size + pieces - 1) / pieces : 1;
    return (piece + unit - 1) / unit * unit;
}

#endif
