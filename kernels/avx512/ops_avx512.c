/* ops_avx512.c - the operations of kernels.h; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx512.h"

#define CSO_FILL_OPS cso_avx512_fill_ops
#include "../simd/ops_body.h"
