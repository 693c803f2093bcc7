/* quant_q5_1.c - Q5_1: 32 weights in 24 bytes.
 *
 *   byte  0..1   d (f16)
 *   byte  2..3   m (f16)
 *   byte  4..7   bit i is q[i] bit 4                                      i < 32
 *   byte  8 + j  q[j + 16] bits 3:0 in bits 7:4 | q[j] bits 3:0           j < 16
 *
 *   w[i] = q[i] d + m
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q5_1(const void *data, float *out, size_t columns) {
    const cso_block_q5_1 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = cso_block_half(block->d), m = cso_block_half(block->m);
        uint32_t high = cso_block_u16(block->qh) | (uint32_t)cso_block_u16(block->qh + 2) << 16;
        for (int j = 0; j < 16; j++) {
            int low = (block->qs[j] & 15) | (int)(high >> j & 1) << 4;
            int up = block->qs[j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            out[j] = (float)low * d + m;
            out[j + 16] = (float)up * d + m;
        }
    }
}
