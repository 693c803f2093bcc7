/* gemm_avx512.c - the inner part of matrix products; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx512.h"

#define MICRO_ROWS   12
#define CSO_PACKED   cso_avx512_packed
#define UNIT         1
#define add_products v_fma
#include "../simd/gemm_body.h"
