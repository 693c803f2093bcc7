/* variants.h - who fills the table of kernels.h.
 *
 * cso_ref_fill sets every entry; the others override those they do better and leave the rest. They are called only where
 * the CPU has what they need (kernels.c).
 */
#ifndef CSO_KERNELS_VARIANTS_H
#define CSO_KERNELS_VARIANTS_H

#include "kernels.h"

#include <stdint.h>

void cso_ref_fill(cso_kernels *table);

/* AVX2, FMA, F16C. */
void cso_avx2_fill_ops(cso_kernels *table);
void cso_avx2_fill_quant(cso_kernels *table);

/* AVX-512 F, BW, DQ, VL besides. */
void cso_avx512_fill_ops(cso_kernels *table);
void cso_avx512_fill_quant(cso_kernels *table);

/* out[n] = x[n] with the bits of cso_f32_to_bf16. */
void cso_avx512_round_bf16(uint16_t *out, const float *x, size_t n);

#endif
