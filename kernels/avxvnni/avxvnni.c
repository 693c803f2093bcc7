/* avxvnni.c - the kernels that gain from integer dot products on processors with AVX2 and AVX-VNNI. */
#include "../avx2/qgemm_avx2.h"
#include "../variants.h"

#include "../simd/qgemm_body.h"

static void fill(cso_kernels *table) {
    fill_qgemm(table);
}

const cso_variant cso_variant_avxvnni = {"avxvnni", CSO_VARIANT_NEEDS, fill};
