/* avx2.c - the kernels with AVX2, FMA and F16C. */
#include "qgemm_avx2.h"
#include "qgemm_plain_avx2.h"
#include "vec_avx2.h"

#include "../simd/few_rows_body.h"
#include "../simd/ops_body.h"
#include "../simd/qgemm_body.h"
#include "../simd/qgemm_plain_body.h"
#include "../simd/quant_body.h"
#include "../simd/quantize_body.h"

static void fill(cso_kernels *table) {
    fill_ops(table);
    fill_few_rows(table);
    fill_quant(table);
    fill_quantize(table);
    fill_qgemm(table);
    fill_qgemm_plain(table);
}

const cso_variant cso_variant_avx2 = {"avx2", CSO_VARIANT_NEEDS, fill};
