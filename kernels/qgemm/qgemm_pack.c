/* qgemm_pack.c - stored weights to panels (qgemm_tile.h draws both; ref/quant_<type>.c draw the stored blocks).
 *
 * A packer takes one stored block of one column to its places in the panel's block. It moves words of four values, which is what
 * makes packing on the fly cheap; `j` is the column, s a block of 32 within one of 256, l the first of the word's four places.
 */
#include "qgemm_internal.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/blocks.h"

#include <string.h>

enum { WORD = 4 * CSO_QGEMM_COLUMNS }; /* bytes from one word of a column to its next */

static inline uint32_t get(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline void put(uint8_t *p, uint32_t word) {
    memcpy(p, &word, sizeof word);
}

static inline void put_half(uint8_t *halves, size_t j, const uint8_t half[2]) {
    memcpy(halves + 2 * j, half, 2);
}

/* Stored bytes with u[i] below and u[i + 16] above. */
static inline void put_nibbles(uint8_t *to, size_t j, const uint8_t qs[16]) {
    for (size_t i = 0; i < 4; i++)
        put(to + WORD * i + 4 * j, get(qs + 4 * i));
}

/* Bits 0, 4, ... 28 of x side by side. */
static inline uint32_t every_fourth_bit(uint32_t x) {
    x &= 0x11111111;
    x = (x | x >> 3) & 0x03030303;
    x = (x | x >> 6) & 0x000f000f;
    return (x | x >> 12) & 0xff;
}

/* Stored as one word whose bit i is that of u[i]. */
static inline void put_bits(uint8_t *to, size_t j, const uint8_t qh[4]) {
    uint32_t bits = cso_block_u16(qh) | (uint32_t)cso_block_u16(qh + 2) << 16;
    for (size_t c = 0; c < 4; c++)
        to[4 * j + c] = (uint8_t)every_fourth_bit(bits >> c);
}

static inline void pack_q4_0(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q4_0 *b = (const void *)from;
    put_half(to, j, b->d);
    put_nibbles(to + 32, j, b->qs);
}

static inline void pack_q4_1(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q4_1 *b = (const void *)from;
    put_half(to, j, b->d);
    put_half(to + 32, j, b->m);
    put_nibbles(to + 64, j, b->qs);
}

static inline void pack_q5_0(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q5_0 *b = (const void *)from;
    put_half(to, j, b->d);
    put_nibbles(to + 32, j, b->qs);
    put_bits(to + 32 + 256, j, b->qh);
}

static inline void pack_q5_1(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q5_1 *b = (const void *)from;
    put_half(to, j, b->d);
    put_half(to + 32, j, b->m);
    put_nibbles(to + 64, j, b->qs);
    put_bits(to + 64 + 256, j, b->qh);
}

static inline void pack_q8_0(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q8_0 *b = (const void *)from;
    put_half(to, j, b->d);
    for (size_t i = 0; i < 8; i++)
        put(to + 32 + WORD * i + 4 * j, get((const uint8_t *)b->qs + 4 * i) ^ 0x80808080); /* + 128 */
}

static inline void pack_q2_k(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q2_k *b = (const void *)from;
    put_half(to, j, b->d);
    put_half(to + 32, j, b->dmin);
    to += cso_qgemm_formats[CSO_Q2_K].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_Q2_K].block) {
        to[j] = b->scales[2 * s];
        to[16 + j] = b->scales[2 * s + 1];
        for (size_t h = 0; h < 2; h++) {
            uint32_t word = 0;
            for (size_t p = 0; p < 4; p++)
                word |= (get(b->qs + 32 * (s / 4) + 16 * h + 4 * p) >> 2 * (s % 4) & 0x03030303) << 2 * p;
            put(to + 32 + WORD * h + 4 * j, word);
        }
    }
}

static inline void pack_q3_k(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q3_k *b = (const void *)from;
    put_half(to, j, b->d);
    to += cso_qgemm_formats[CSO_Q3_K].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_Q3_K].block) {
        uint32_t bits = 0;
        to[j] = (uint8_t)cso_block_scale_q3_k(b->scales, (int)(2 * s));
        to[16 + j] = (uint8_t)cso_block_scale_q3_k(b->scales, (int)(2 * s + 1));
        for (size_t h = 0; h < 2; h++) {
            uint32_t word = 0;
            for (size_t p = 0; p < 4; p++)
                word |= (get(b->qs + 32 * (s / 4) + 16 * h + 4 * p) >> 2 * (s % 4) & 0x03030303) << 2 * p;
            put(to + 32 + WORD * h + 4 * j, word);
        }
        for (size_t i = 0; i < 8; i++)
            bits |= (get(b->hmask + 4 * i) >> s & 0x01010101) << i;
        put(to + 32 + 128 + 4 * j, bits);
    }
}

/* Nibbles of block s of Q4_K and Q5_K: block 2 h is below block 2 h + 1. */
static inline void put_nibbles_k(uint8_t *to, size_t j, const uint8_t *qs, size_t s) {
    for (size_t i = 0; i < 4; i++) {
        uint32_t low = get(qs + 32 * (s / 2) + 4 * i) >> 4 * (s % 2), up = get(qs + 32 * (s / 2) + 16 + 4 * i) >> 4 * (s % 2);
        put(to + WORD * i + 4 * j, (low & 0x0f0f0f0f) | (up & 0x0f0f0f0f) << 4);
    }
}

static inline void put_scale_min(uint8_t *to, size_t j, const uint8_t scales[12], size_t s) {
    int scale, min;
    cso_block_scale_min(scales, (int)s, &scale, &min);
    to[j] = (uint8_t)scale;
    to[16 + j] = (uint8_t)min;
}

static inline void pack_q4_k(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q4_k *b = (const void *)from;
    put_half(to, j, b->d);
    put_half(to + 32, j, b->dmin);
    to += cso_qgemm_formats[CSO_Q4_K].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_Q4_K].block) {
        put_scale_min(to, j, b->scales, s);
        put_nibbles_k(to + 32, j, b->qs, s);
    }
}

static inline void pack_q5_k(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q5_k *b = (const void *)from;
    put_half(to, j, b->d);
    put_half(to + 32, j, b->dmin);
    to += cso_qgemm_formats[CSO_Q5_K].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_Q5_K].block) {
        uint32_t bits = 0;
        put_scale_min(to, j, b->scales, s);
        put_nibbles_k(to + 32, j, b->qs, s);
        for (size_t i = 0; i < 8; i++)
            bits |= (get(b->qh + 4 * i) >> s & 0x01010101) << i;
        put(to + 32 + 256 + 4 * j, bits);
    }
}

static inline void pack_q6_k(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_q6_k *b = (const void *)from;
    put_half(to, j, b->d);
    to += cso_qgemm_formats[CSO_Q6_K].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_Q6_K].block) {
        const uint8_t *low = b->ql + 64 * (s / 4) + 32 * (s % 2), *high = b->qh + 32 * (s / 4);
        to[j] = (uint8_t)b->scales[2 * s];
        to[16 + j] = (uint8_t)b->scales[2 * s + 1];
        for (size_t i = 0; i < 4; i++) {
            uint32_t below = get(low + 4 * i) >> 4 * (s % 4 / 2), above = get(low + 16 + 4 * i) >> 4 * (s % 4 / 2);
            put(to + 32 + WORD * i + 4 * j, (below & 0x0f0f0f0f) | (above & 0x0f0f0f0f) << 4);
        }
        for (size_t h = 0; h < 2; h++) {
            uint32_t word = 0;
            for (size_t p = 0; p < 4; p++)
                word |= (get(high + 16 * h + 4 * p) >> 2 * (s % 4) & 0x03030303) << 2 * p;
            put(to + 32 + 256 + WORD * h + 4 * j, word);
        }
    }
}

static inline void pack_iq4_nl(const uint8_t *from, uint8_t *to, size_t j) {
    pack_q4_0(from, to, j); /* the same places for other values */
}

static inline void pack_iq4_xs(const uint8_t *from, uint8_t *to, size_t j) {
    const cso_block_iq4_xs *b = (const void *)from;
    unsigned high = cso_block_u16(b->scales_h);
    put_half(to, j, b->d);
    to += cso_qgemm_formats[CSO_IQ4_XS].header;
    for (size_t s = 0; s < 8; s++, to += cso_qgemm_formats[CSO_IQ4_XS].block) {
        unsigned scale = (b->scales_l[s / 2] >> 4 * (s % 2) & 15) | (high >> 2 * s & 3) << 4;
        to[j] = (uint8_t)(scale - 32);
        put_nibbles(to + 16, j, b->qs + 16 * s);
    }
}

/* blocks: stored ones of a row, each of which makes step bytes of the panel. */
#define PACKER(name, stored)                                                                                                       \
    static void panel_##name(const uint8_t *const rows[], size_t count, size_t blocks, size_t step, uint8_t *panel) {              \
        for (size_t block = 0; block < blocks; block++, panel += step)                                                             \
            for (size_t j = 0; j < count; j++)                                                                                     \
                pack_##name(rows[j] + block * (stored), panel, j);                                                                 \
    }
PACKER(q4_0, sizeof(cso_block_q4_0))
PACKER(q4_1, sizeof(cso_block_q4_1))
PACKER(q5_0, sizeof(cso_block_q5_0))
PACKER(q5_1, sizeof(cso_block_q5_1))
PACKER(q8_0, sizeof(cso_block_q8_0))
PACKER(q2_k, sizeof(cso_block_q2_k))
PACKER(q3_k, sizeof(cso_block_q3_k))
PACKER(q4_k, sizeof(cso_block_q4_k))
PACKER(q5_k, sizeof(cso_block_q5_k))
PACKER(q6_k, sizeof(cso_block_q6_k))
PACKER(iq4_nl, sizeof(cso_block_iq4_nl))
PACKER(iq4_xs, sizeof(cso_block_iq4_xs))
#undef PACKER

static void (*const packers[CSO_DTYPE_COUNT])(const uint8_t *const rows[], size_t count, size_t blocks, size_t step,
                                              uint8_t *panel) = {
    [CSO_Q4_0] = panel_q4_0, [CSO_Q4_1] = panel_q4_1, [CSO_Q5_0] = panel_q5_0,     [CSO_Q5_1] = panel_q5_1,
    [CSO_Q8_0] = panel_q8_0, [CSO_Q2_K] = panel_q2_k, [CSO_Q3_K] = panel_q3_k,     [CSO_Q4_K] = panel_q4_k,
    [CSO_Q5_K] = panel_q5_k, [CSO_Q6_K] = panel_q6_k, [CSO_IQ4_NL] = panel_iq4_nl, [CSO_IQ4_XS] = panel_iq4_xs,
};

/* Bytes of the panel that a stored block of each of its columns makes. */
static size_t step_of(cso_dtype dtype) {
    const cso_qgemm_format *f = &cso_qgemm_formats[dtype];
    return f->header ? f->header + 8u * f->block : f->block;
}

size_t cso_qgemm_panel_bytes(cso_dtype dtype, size_t columns) {
    if (cso_qgemm_is_plain(dtype))
        return (CSO_QGEMM_COLUMNS * columns * cso_dtype_get(dtype)->bytes + 63) / 64 * 64;
    return (columns / cso_dtype_get(dtype)->block * step_of(dtype) + 63) / 64 * 64;
}

void cso_qgemm_pack_panel(const cso_tensor *tensor, size_t row0, size_t rows, uint8_t *panel) {
    const uint8_t *data[CSO_QGEMM_COLUMNS];
    size_t columns = cso_tensor_columns(tensor);
    if (rows < CSO_QGEMM_COLUMNS)
        memset(panel, 0, cso_qgemm_panel_bytes(tensor->dtype, columns));
    for (size_t j = 0; j < rows; j++)
        data[j] = cso_tensor_row(tensor, row0 + j);
    if (cso_qgemm_is_plain(tensor->dtype)) {
        for (size_t j = 0; j < rows; j++)
            memcpy(panel + j * tensor->row_bytes, data[j], tensor->row_bytes);
        return;
    }
    packers[tensor->dtype](data, rows, columns / cso_dtype_get(tensor->dtype)->block, step_of(tensor->dtype), panel);
}

cso_qgemm_weight cso_qgemm_weight_of(const cso_tensor *tensor) {
    return (cso_qgemm_weight){*tensor, NULL, cso_qgemm_panel_bytes(tensor->dtype, cso_tensor_columns(tensor))};
}

bool cso_qgemm_packed_bytes(const cso_tensor *tensor, size_t *bytes) {
    size_t panels = (cso_tensor_rows(tensor) + CSO_QGEMM_COLUMNS - 1) / CSO_QGEMM_COLUMNS;
    return cso_size_mul(panels, cso_qgemm_panel_bytes(tensor->dtype, cso_tensor_columns(tensor)), bytes);
}

typedef struct packing {
    const cso_qgemm_weight *weight;
    uint8_t *to;
} packing;

static void pack_task(void *context, size_t panel, int thread) {
    (void)thread;
    const packing *p = context;
    size_t row = panel * CSO_QGEMM_COLUMNS, left = cso_tensor_rows(&p->weight->tensor) - row;
    cso_qgemm_pack_panel(&p->weight->tensor, row, left < CSO_QGEMM_COLUMNS ? left : CSO_QGEMM_COLUMNS,
                         p->to + panel * p->weight->panel_bytes);
}

cso_status cso_qgemm_pack(cso_context *ctx, cso_qgemm_weight *weights, size_t count, void **memory, cso_error *err) {
    size_t total = 0, bytes;
    *memory = NULL;
    for (size_t i = 0; i < count; i++)
        if (!cso_qgemm_packed_bytes(&weights[i].tensor, &bytes) || !cso_size_add(total, bytes, &total))
            return cso_fail_memory(err, "packed weights");
    uint8_t *at = *memory = cso_huge_alloc(total);
    if (!at)
        return cso_fail_memory(err, "packed weights");
    for (size_t i = 0; i < count; i++, at += bytes) {
        packing p = {&weights[i], at};
        cso_qgemm_packed_bytes(&weights[i].tensor, &bytes);
        if (bytes)
            cso_parallel_for(ctx->pool, bytes / weights[i].panel_bytes, pack_task, &p);
        weights[i].panels = at;
    }
    return CSO_OK;
}
