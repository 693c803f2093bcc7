/* quant_plain.c - F32, F16 and BF16: one number after the other, little-endian, at any alignment; and rounding to BF16. */
#include "../blocks.h"
#include "ref.h"

#include <string.h>

void cso_ref_dequantize_f32(const void *data, float *out, size_t columns) {
    if (columns)
        memcpy(out, data, columns * sizeof *out);
}

void cso_ref_dequantize_f16(const void *data, float *out, size_t columns) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < columns; i++)
        out[i] = cso_block_half(bytes + 2 * i);
}

void cso_ref_dequantize_bf16(const void *data, float *out, size_t columns) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < columns; i++)
        out[i] = cso_bf16_to_f32(cso_block_u16(bytes + 2 * i));
}

void cso_ref_round_bf16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cso_f32_to_bf16(x[i]);
}
