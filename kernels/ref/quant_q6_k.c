/* quant_q6_k.c - Q6_K: 256 weights in 210 bytes, 16 groups of 16 weights with a signed 8-bit scale each.
 *
 *   byte   0 + 64 h + 32 j + l  q[128 h + 32 j + 64 + l] bits 3:0 in bits 7:4 | q[128 h + 32 j + l] bits 3:0   h, j < 2, l < 32
 *   byte 128 + 32 h + l         bits 2k+1:2k are q[128 h + 32 k + l] bits 5:4                                  h < 2, l <
 * 32, k < 4
 *   byte 192 + g                s[g] (signed)                                                                 g < 16
 *   byte 208..209               d (f16)
 *
 *   w[i] = (d s[g]) (q[i] - 32),  g = i / 16
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q6_k(const void *data, float *out, size_t columns) {
    const cso_block_q6_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = cso_block_half(block->d);
        for (int group = 0; group < 16; group++, out += 16) {
            float scale = d * (float)block->scales[group];
            int h = group / 8, k = group % 8 / 2, offset = 16 * (group % 2);
            const uint8_t *low = block->ql + 64 * h + 32 * (k % 2) + offset, *high = block->qh + 32 * h + offset;
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)(((low[l] >> 4 * (k / 2) & 15) | (high[l] >> 2 * k & 3) << 4) - 32);
        }
    }
}
