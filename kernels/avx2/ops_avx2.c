/* ops_avx2.c - the operations of kernels.h; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx2.h"

#define CSO_FILL_OPS cso_avx2_fill_ops
#include "../simd/ops_body.h"
