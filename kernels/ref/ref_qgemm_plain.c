/* ref_qgemm_plain.c - weights in F32, F16 and BF16 times rows in f32 in plain C: the order of sums in qgemm/qgemm_tile.h. */
#include "../blocks.h"
#include "../qgemm/qgemm_tile.h"
#include "ref.h"

enum { SUMS = 16 };

static float number(cso_dtype dtype, const uint8_t *w, size_t i) {
    float value;
    if (dtype == CSO_F16)
        return cso_block_half(w + 2 * i);
    if (dtype == CSO_BF16)
        return cso_bf16_to_f32(cso_block_u16(w + 2 * i));
    memcpy(&value, w + 4 * i, sizeof value);
    return value;
}

static float dot(cso_dtype dtype, const uint8_t *w, const float *x, size_t n) {
    float sums[SUMS] = {0};
    for (size_t i = 0; i < n; i += SUMS)
        for (size_t l = 0; l < SUMS; l++)
            sums[l] = i + l < n ? fmaf(number(dtype, w, i + l), x[i + l], sums[l]) : fmaf(0, 0, sums[l]);
    for (size_t half = SUMS / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            sums[l] += sums[l + half];
    return sums[0];
}

static void tile(cso_dtype dtype, const cso_qgemm_plain *t) {
    for (size_t r = 0; r < t->rows; r++)
        for (size_t j = 0; j < t->columns; j++)
            t->out[r * t->ld + j] = dot(dtype, t->w[j], t->x + r * t->ldx, t->n);
}

void cso_ref_qgemm_f32(const cso_qgemm_plain *t) {
    tile(CSO_F32, t);
}
void cso_ref_qgemm_f16(const cso_qgemm_plain *t) {
    tile(CSO_F16, t);
}
void cso_ref_qgemm_bf16(const cso_qgemm_plain *t) {
    tile(CSO_BF16, t);
}
