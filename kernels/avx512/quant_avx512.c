/* quant_avx512.c - the dequantizers; compiled with this instruction set's flags (CMakeLists.txt). */
#include "vec_avx512.h"

#define CSO_FILL_QUANT cso_avx512_fill_quant
#include "../simd/quant_body.h"
