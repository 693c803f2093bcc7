/* quant_q4_1.c - Q4_1: 32 weights in 20 bytes.
 *
 *   byte  0..1   d (f16)
 *   byte  2..3   m (f16)
 *   byte  4 + j  q[j + 16] bits 7:4 | q[j] bits 3:0    j < 16
 *
 *   w[i] = q[i] d + m
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q4_1(const void *data, float *out, size_t columns) {
    const cso_block_q4_1 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = cso_block_half(block->d), m = cso_block_half(block->m);
        for (int j = 0; j < 16; j++) {
            out[j] = (float)(block->qs[j] & 15) * d + m;
            out[j + 16] = (float)(block->qs[j] >> 4) * d + m;
        }
    }
}
