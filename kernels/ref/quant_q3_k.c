/* quant_q3_k.c - Q3_K: 256 weights in 110 bytes, 16 groups of 16 weights with a 6-bit scale each.
 *
 *   byte  0 + l         bit b is the high bit of q[32 b + l]               l < 32, b < 8
 *   byte 32 + 32 h + l  bits 2k+1:2k are the low bits of q[128 h + 32 k + l]   h < 2, l < 32, k < 4
 *   byte 96..107        the scales s[g], packed as drawn in blocks.h
 *   byte 108..109       d (f16)
 *
 *   w[i] = (d s[g]) (q[i] - 4),  g = i / 16
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q3_k(const void *data, float *out, size_t columns) {
    const cso_block_q3_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = cso_block_half(block->d);
        for (int group = 0; group < 16; group++, out += 16) {
            float scale = d * (float)cso_block_scale_q3_k(block->scales, group);
            const uint8_t *low = block->qs + 32 * (group / 8) + 16 * (group % 2);
            const uint8_t *high = block->hmask + 16 * (group % 2);
            int shift = 2 * (group % 8 / 2), bit = group / 2;
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)(((low[l] >> shift & 3) | (high[l] >> bit & 1) << 2) - 4);
        }
    }
}
