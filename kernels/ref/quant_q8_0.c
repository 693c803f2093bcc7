/* quant_q8_0.c - Q8_0: 32 weights in 34 bytes.
 *
 *   byte  0..1   d (f16)
 *   byte  2 + i  q[i] (signed)    i < 32
 *
 *   w[i] = q[i] d
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q8_0(const void *data, float *out, size_t columns) {
    const cso_block_q8_0 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = cso_block_half(block->d);
        for (int j = 0; j < CSO_BLOCK; j++)
            out[j] = (float)block->qs[j] * d;
    }
}
