/* packed.h - the inner part of a matrix product, for one instruction set (kernels/simd/gemm_body.h).
 *
 * W is packed in panels of `width` columns of the result: panel p holds W[k][width p + c] at p * stride + k * width + c, with zeros past
 * the last column. x is read where it lies.
 */
#ifndef CSO_KERNELS_PACKED_H
#define CSO_KERNELS_PACKED_H

#include <stdbool.h>
#include <stddef.h>

enum { CSO_PACKED_MAX_WIDTH = 32 };

typedef struct cso_packed_kernels {
    size_t width, rows; /* of the part of the result that is kept in registers */
    /* packed[k][c] = source[c][k] for c < count, 0 for count <= c < width, where source[c] = source + c * ld. */
    void (*pack_transposed)(float *packed, const float *source, size_t ld, size_t count, size_t k);
    /* y[m, n] = x[m, k] W[k, n] (+ y), sums in the order of k, whatever m and n are. */
    void (*multiply)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *packed, size_t stride, size_t n,
                     size_t k, bool add);
} cso_packed_kernels;

#ifdef CSO_HAVE_X86
extern const cso_packed_kernels cso_avx2_packed, cso_avx512_packed;
#endif

/* The best for this CPU (within CSO_KERNELS); NULL where there is none. */
const cso_packed_kernels *cso_packed_get(void);

#endif
