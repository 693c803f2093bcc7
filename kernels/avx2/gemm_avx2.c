/* gemm_avx2.c - the inner part of matrix products; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx2.h"

#define MICRO_ROWS   6
#define CSO_PACKED   cso_avx2_packed
#define UNIT         1
#define add_products v_fma
#include "../simd/gemm_body.h"
