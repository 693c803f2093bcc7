/* quant_q5_k.c - Q5_K: 256 weights in 176 bytes, 8 groups of 32 weights with a 6-bit scale and a 6-bit minimum each.
 *
 *   byte  0..1          d (f16)
 *   byte  2..3          dmin (f16)
 *   byte  4..15         the scales s[g] and minima m[g], packed as drawn in blocks.h
 *   byte 16 + l         bit g is q[32 g + l] bit 4                         l < 32, g < 8
 *   byte 48 + 32 h + l  q[64 h + 32 + l] bits 3:0 in bits 7:4 | q[64 h + l] bits 3:0   h < 4, l < 32
 *
 *   w[i] = (d s[g]) q[i] - (dmin m[g]),  g = i / 32
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q5_k(const void *data, float *out, size_t columns) {
    const cso_block_q5_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = cso_block_half(block->d), dmin = cso_block_half(block->dmin);
        for (int group = 0; group < 8; group++, out += 32) {
            int s, m;
            cso_block_scale_min(block->scales, group, &s, &m);
            float scale = d * (float)s, min = dmin * (float)m;
            const uint8_t *q = block->qs + 32 * (group / 2);
            int shift = 4 * (group % 2);
            for (int l = 0; l < 32; l++)
                out[l] = scale * (float)((q[l] >> shift & 15) | (block->qh[l] >> group & 1) << 4) - min;
        }
    }
}
