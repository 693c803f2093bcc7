/* quant_avx2.c - the dequantizers; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx2.h"

#define CSO_FILL_QUANT cso_avx2_fill_quant
#include "../simd/quant_body.h"
