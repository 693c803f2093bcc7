/* ref_quantize.c - rows to stored types, for any processor. */
#include "../simd/quantize_body.h"
#include "ref.h"

void cso_ref_fill_quantize(cso_kernels *table) {
    fill_quantize(table);
}
