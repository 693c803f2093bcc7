/* quant_iq4.c - IQ4_NL and IQ4_XS: 4-bit indices into sixteen unequal levels L (blocks.h).
 *
 * IQ4_NL, 32 weights in 18 bytes:
 *   byte  0..1   d (f16)
 *   byte  2 + j  q[j + 16] bits 7:4 | q[j] bits 3:0                        j < 16
 *   w[i] = d L[q[i]]
 *
 * IQ4_XS, 256 weights in 136 bytes, 8 groups of 32 weights with a 6-bit scale each:
 *   byte  0..1          d (f16)
 *   byte  2..3          bits 2g+1:2g are s[g] bits 5:4                     g < 8
 *   byte  4 + g/2       s[g] bits 3:0, even g in bits 3:0, odd g in bits 7:4
 *   byte  8 + 16 g + j  q[32 g + j + 16] bits 7:4 | q[32 g + j] bits 3:0   j < 16
 *   w[i] = (d (s[g] - 32)) L[q[i]],  g = i / 32
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_iq4_nl(const void *data, float *out, size_t columns) {
    const cso_block_iq4_nl *block = data;
    for (size_t i = 0; i < columns / CSO_BLOCK; i++, block++, out += CSO_BLOCK) {
        float d = cso_block_half(block->d);
        for (int j = 0; j < 16; j++) {
            out[j] = d * (float)cso_iq4_levels[block->qs[j] & 15];
            out[j + 16] = d * (float)cso_iq4_levels[block->qs[j] >> 4];
        }
    }
}

void cso_ref_dequantize_iq4_xs(const void *data, float *out, size_t columns) {
    const cso_block_iq4_xs *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = cso_block_half(block->d);
        int high = cso_block_u16(block->scales_h);
        for (int group = 0; group < 8; group++, out += 32) {
            int s = (block->scales_l[group / 2] >> 4 * (group % 2) & 15) | (high >> 2 * group & 3) << 4;
            float scale = d * (float)(s - 32);
            const uint8_t *q = block->qs + 16 * group;
            for (int j = 0; j < 16; j++) {
                out[j] = scale * (float)cso_iq4_levels[q[j] & 15];
                out[j + 16] = scale * (float)cso_iq4_levels[q[j] >> 4];
            }
        }
    }
}
