/* packed.h - the inner part of a matrix product, for one instruction set (kernels/simd/gemm_body.h).
 *
 * The sum runs over units of k: one f32 number, or two bf16 numbers in the place of a float, the one with the lower k in the
 * lower half. W is packed in panels of `width` columns of the result: panel p holds W[u][width p + c], u counting units, at p *
 * stride + u * width + c, with zeros past the last column and for the missing half of a last pair. x is read where it lies, in
 * units too.
 */
#ifndef CSO_KERNELS_PACKED_H
#define CSO_KERNELS_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSO_PACKED_MAX_WIDTH = 32 };

typedef struct cso_packed_kernels {
    size_t width, rows; /* of the part of the result that is kept in registers */
    size_t unit;        /* numbers in a unit: 1 for f32, 2 for bf16 */
    /* One panel from `count` columns of W that lie one after the other: W[k][c] = source[c * ld + k] for c < count. */
    void (*pack_transposed)(float *packed, const float *source, size_t ld, size_t count, size_t k);
    /* One unit of all panels from n columns: row0 is W[k], row1 is W[k + 1] in a pair or NULL past the end. */
    void (*pack_rows)(float *packed, size_t stride, const float *row0, const float *row1, size_t n);
    /* y[m, n] = x[m] W[n] (+ y) over `units`, summed in their order whatever m and n are. */
    void (*multiply)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *packed, size_t stride, size_t n,
                     size_t units, bool add);
} cso_packed_kernels;

#ifdef CSO_HAVE_X86
extern const cso_packed_kernels cso_avx2_packed, cso_avx512_packed;
extern const cso_packed_kernels cso_avx512_packed_bf16; /* needs AVX512_BF16 besides */
#endif

/* The best for this CPU (within CSO_KERNELS); NULL where there is none. */
const cso_packed_kernels *cso_packed_get(void);
const cso_packed_kernels *cso_packed_get_bf16(void);

#endif
