/* quant_q5_0.c - Q5_0: 32 weights in 22 bytes.
 *
 *   byte  0..1   d (f16)
 *   byte  2..5   bit i is q[i] bit 4                                      i < 32
 *   byte  6 + j  q[j + 16] bits 3:0 in bits 7:4 | q[j] bits 3:0           j < 16
 *
 *   w[i] = (q[i] - 16) d
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q5_0(const void *data, float *out, size_t columns) {
    const cso_block_q5_0 *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = cso_block_half(block->d);
        uint32_t high = cso_block_u16(block->qh) | (uint32_t)cso_block_u16(block->qh + 2) << 16;
        for (int j = 0; j < 16; j++) {
            int low = (block->qs[j] & 15) | (int)(high >> j & 1) << 4;
            int up = block->qs[j] >> 4 | (int)(high >> (j + 16) & 1) << 4;
            out[j] = (float)(low - 16) * d;
            out[j + 16] = (float)(up - 16) * d;
        }
    }
}
