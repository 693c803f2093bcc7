/* quant_q2_k.c - Q2_K: 256 weights in 84 bytes, 16 groups of 16 weights with a 4-bit scale and a 4-bit minimum each.
 *
 *   byte  0 + g         m[g] bits 7:4 | s[g] bits 3:0                      g < 16
 *   byte 16 + 32 h + l  bits 2k+1:2k are q[128 h + 32 k + l]               h < 2, l < 32, k < 4
 *   byte 80..81         d (f16)
 *   byte 82..83         dmin (f16)
 *
 *   w[i] = (d s[g]) q[i] - (dmin m[g]),  g = i / 16
 */
#include "../blocks.h"
#include "ref.h"

void cso_ref_dequantize_q2_k(const void *data, float *out, size_t columns) {
    const cso_block_q2_k *block = data;
    for (size_t i = 0; i < columns / CSO_SUPERBLOCK; i++, block++) {
        float d = cso_block_half(block->d), dmin = cso_block_half(block->dmin);
        for (int group = 0; group < 16; group++, out += 16) {
            float scale = d * (float)(block->scales[group] & 15), min = dmin * (float)(block->scales[group] >> 4);
            const uint8_t *q = block->qs + 32 * (group / 8) + 16 * (group % 2);
            int shift = 2 * (group % 8 / 2);
            for (int l = 0; l < 16; l++)
                out[l] = scale * (float)(q[l] >> shift & 3) - min;
        }
    }
}
