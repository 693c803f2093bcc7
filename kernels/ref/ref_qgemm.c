/* ref_qgemm.c - products with quantized rows in plain C: the arithmetic of qgemm/qgemm_tile.h as it is written there. */
#include "../blocks.h"
#include "../qgemm/qgemm_tile.h"
#include "ref.h"

#include <math.h>

void cso_ref_quantize_row(const float *x, const cso_qgemm_row *to) {
    for (size_t block = 0; block < to->blocks; block++, x += 32) {
        uint32_t largest = 0;
        for (int i = 0; i < 32; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof bits);
            bits &= 0x7fffffff; /* of |x|; their order is that of the numbers, and NaN is the largest */
            largest = bits > largest ? bits : largest;
        }
        cso_qgemm_scale scale = cso_qgemm_scale_of(largest);
        int8_t *values = to->values + 32 * to->rows * block;
        for (int half = 0; half < 2; half++) {
            int sum = 0;
            for (int i = 16 * half; i < 16 * half + 16; i++) {
                values[i] = (int8_t)(scale.inverse > 0 ? lrintf(x[i] * scale.inverse) : 0);
                sum += values[i];
            }
            to->sums[to->rows * (2 * block + (size_t)half)] = (int16_t)sum;
        }
        to->scales[to->rows * block] = scale.d;
    }
}

/* w of the 32 weights of column j of a block; p: its values. */
static void unpack(const cso_qgemm_format *f, const uint8_t *p, int j, int w[32]) {
    const uint8_t *pairs = p + (f->nibbles ? 256 : 0), *bits = pairs + (f->pairs ? 128 : 0);
    for (int n = 0; n < 32; n++) {
        int i = n / 4, at = 4 * j + n % 4, u = 0;
        if (!f->nibbles && !f->pairs)
            u = p[64 * i + at];
        if (f->nibbles)
            u = p[64 * (i % 4) + at] >> 4 * (i / 4) & 15;
        if (f->levels)
            u = cso_iq4_levels[u] + 128;
        if (f->pairs)
            u |= (pairs[64 * (i / 4) + at] >> 2 * (i % 4) & 3) << f->pair_shift;
        if (f->bits)
            u |= (bits[at] >> i & 1) << f->bit_shift;
        w[n] = u - f->offset;
    }
}

/* The scales s and minima m of a block's parts, of column j. */
typedef struct block_scales {
    float s[2], m[2];
} block_scales;

static block_scales scales_of_block(const cso_qgemm_format *f, const uint8_t *header, const uint8_t *p, int j) {
    const uint8_t *halves = f->header ? header : p;
    float d = cso_block_half(halves + 2 * j), dmin = f->min ? cso_block_half(halves + 32 + 2 * j) : 0;
    block_scales b = {{d, 0}, {dmin, 0}};
    for (int part = 0; part < f->parts && f->header; part++) {
        uint8_t byte = p[16 * part + j];
        if (f->parts == 2 && f->min) {
            b.s[part] = d * (float)(byte & 15);
            b.m[part] = dmin * (float)(byte >> 4);
        } else if (f->min) {
            b.s[part] = d * (float)byte;
            b.m[part] = dmin * (float)p[16 + j];
        } else {
            b.s[part] = d * (float)(int8_t)byte;
        }
    }
    return b;
}

/* y plus a block of column w and row r. */
static float add_block(const cso_qgemm_format *f, const cso_qgemm_tile *t, size_t block, size_t r, const int w[32],
                       const block_scales *b, float y) {
    const int8_t *q = t->values + 32 * (block * t->rows + r);
    int dots[2] = {0, 0};
    for (int n = 0; n < 32; n++)
        dots[n / 16] += w[n] * q[n];
    float dx = t->scales[block * t->rows + r];
    if (f->parts == 1)
        y = fmaf((float)(dots[0] + dots[1]), b->s[0] * dx, y);
    else
        y = fmaf(fmaf((float)dots[1], b->s[1], (float)dots[0] * b->s[0]), dx, y);
    for (int part = 0; part < f->parts && f->min; part++)
        y = fmaf(f->min > 0 ? b->m[part] : -b->m[part], t->sums[(block * f->parts + (size_t)part) * t->rows + r], y);
    return y;
}

static void tile(cso_dtype dtype, const cso_qgemm_tile *t) {
    const cso_qgemm_format *f = &cso_qgemm_formats[dtype];
    for (size_t r = 0; r < t->rows; r++)
        for (size_t j = 0; j < t->columns; j++)
            t->out[r * t->ld + j] = 0;
    const uint8_t *header = NULL, *p = t->panel;
    for (size_t block = 0; block < t->blocks; block++, p += f->block) {
        if (f->header && block % 8 == 0) {
            header = p;
            p += f->header;
        }
        for (size_t j = 0; j < t->columns; j++) {
            int w[32];
            block_scales b = scales_of_block(f, header, p, (int)j);
            unpack(f, p + f->scales, (int)j, w);
            for (size_t r = 0; r < t->rows; r++)
                t->out[r * t->ld + j] = add_block(f, t, block, r, w, &b, t->out[r * t->ld + j]);
        }
    }
}

#define TILE(name, dtype)                                                                                                          \
    void cso_ref_qgemm_##name(const cso_qgemm_tile *t) {                                                                           \
        tile(dtype, t);                                                                                                            \
    }
TILE(q4_0, CSO_Q4_0)
TILE(q4_1, CSO_Q4_1)
TILE(q5_0, CSO_Q5_0)
TILE(q5_1, CSO_Q5_1)
TILE(q8_0, CSO_Q8_0)
TILE(q2_k, CSO_Q2_K)
TILE(q3_k, CSO_Q3_K)
TILE(q4_k, CSO_Q4_K)
TILE(q5_k, CSO_Q5_K)
TILE(q6_k, CSO_Q6_K)
TILE(iq4_nl, CSO_IQ4_NL)
TILE(iq4_xs, CSO_IQ4_XS)
