/* avx512vnni.c - the kernels that gain from AVX-512's integer dot products (VNNI). */
#include "../variants.h"
#include "qgemm_avx512vnni.h"

#include "../simd/qgemm_body.h"

static void fill(cso_kernels *table) {
    fill_qgemm(table);
}

const cso_variant cso_variant_avx512vnni = {"avx512vnni", CSO_VARIANT_NEEDS, fill};
