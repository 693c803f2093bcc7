/* qgemm_rows.c - rows of activations as integers, and their sums as the formats of weights need them.
 *
 * A format with an offset needs - offset times the sum of a block's integers, with which its integer sum begins; one with a minimum
 * needs that sum times the block's scale. Both are made once for a call and format, not in every tile.
 */
#include "qgemm_internal.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "kernels/kernels.h"

#include <stdlib.h>

enum { BLOCK = 32, MOST_TERMS = 8 };

/* A distinct kind of sums: several formats may share it. */
typedef struct terms {
    int32_t *values; /* (groups: blocks, parts, rows of the group); as float where `min` */
    size_t capacity;
    uint8_t parts, offset;
    bool min, ready;
} terms;

struct cso_qgemm_rows {
    const float *x;
    size_t ldx, count, blocks;
    bool quantized;
    int8_t *values; /* for each group of sixteen rows (blocks, rows, 32), and so on: see cso_qgemm_row */
    float *scales;
    int16_t *sums;
    size_t values_capacity, scales_capacity, sums_capacity;
    terms terms[MOST_TERMS];
    size_t terms_count;
};

cso_status cso_qgemm_rows_create(cso_qgemm_rows **rows, cso_error *err) {
    *rows = cso_calloc(1, sizeof **rows);
    return *rows ? CSO_OK : cso_fail_memory(err, "quantized rows");
}

void cso_qgemm_rows_free(cso_qgemm_rows *rows) {
    if (!rows)
        return;
    for (size_t i = 0; i < rows->terms_count; i++)
        free(rows->terms[i].values);
    free(rows->values);
    free(rows->scales);
    free(rows->sums);
    free(rows);
}

void cso_qgemm_rows_set(cso_qgemm_rows *rows, const float *x, size_t ldx, size_t count, size_t columns) {
    rows->x = x;
    rows->ldx = ldx;
    rows->count = count;
    rows->blocks = columns / BLOCK;
    rows->quantized = false;
    for (size_t i = 0; i < rows->terms_count; i++)
        rows->terms[i].ready = false;
}

size_t cso_qgemm_rows_count(const cso_qgemm_rows *rows) {
    return rows->count;
}

/* Room for n numbers, aligned to 64 bytes; the contents are lost. */
static bool reserve(void *array_pointer, size_t *capacity, size_t n, size_t size) {
    void **array = array_pointer;
    if (n <= *capacity)
        return true;
    free(*array);
    *array = cso_aligned_alloc(n, size);
    *capacity = *array ? n : 0;
    return *array;
}

static terms *terms_of(cso_qgemm_rows *rows, const cso_qgemm_format *f) {
    size_t i = 0;
    while (i < rows->terms_count &&
           (rows->terms[i].parts != f->parts || rows->terms[i].offset != f->offset || rows->terms[i].min != (f->min != 0)))
        i++;
    if (i == rows->terms_count) {
        rows->terms[i] = (terms){.parts = f->parts, .offset = f->offset, .min = f->min != 0};
        rows->terms_count++;
    }
    return &rows->terms[i];
}

/* *wanted: indices of the terms that are to be made. */
static cso_status reserve_all(cso_qgemm_rows *rows, uint32_t formats, uint32_t *wanted, cso_error *err) {
    size_t blocks, numbers;
    bool fits = cso_size_mul(rows->blocks, rows->count, &blocks) && cso_size_mul(blocks, BLOCK, &numbers);
    fits = fits && reserve(&rows->values, &rows->values_capacity, numbers, sizeof *rows->values) &&
           reserve(&rows->scales, &rows->scales_capacity, blocks, sizeof *rows->scales) &&
           reserve(&rows->sums, &rows->sums_capacity, 2 * blocks, sizeof *rows->sums);
    *wanted = 0;
    for (int dtype = 0; fits && dtype < CSO_DTYPE_COUNT; dtype++) {
        if (!(formats >> dtype & 1) || cso_qgemm_is_plain((cso_dtype)dtype))
            continue;
        const cso_qgemm_format *f = &cso_qgemm_formats[dtype];
        terms *t = terms_of(rows, f);
        if (t->ready)
            continue;
        fits = reserve(&t->values, &t->capacity, blocks * f->parts, sizeof *t->values);
        *wanted |= 1u << (t - rows->terms);
    }
    return fits ? CSO_OK : cso_fail_memory(err, "quantized rows");
}

typedef struct work {
    cso_qgemm_rows *rows;
    const cso_kernels *kernels;
    uint32_t wanted; /* indices of terms */
} work;

static size_t rows_in_group(const cso_qgemm_rows *rows, size_t group) {
    size_t left = rows->count - group * CSO_QGEMM_ROWS;
    return left < CSO_QGEMM_ROWS ? left : CSO_QGEMM_ROWS;
}

static void make_terms(const cso_qgemm_rows *rows, size_t group, const terms *t) {
    size_t n = rows_in_group(rows, group), first = group * CSO_QGEMM_ROWS * rows->blocks;
    const int16_t *sums = rows->sums + 2 * first;
    const float *scales = rows->scales + first;
    int32_t *out = t->values + t->parts * first;
    for (size_t block = 0; block < rows->blocks; block++, sums += 2 * n, scales += n)
        for (int part = 0; part < t->parts; part++, out += n)
            for (size_t r = 0; r < n; r++) {
                int32_t sum = t->parts == 2 ? sums[(size_t)part * n + r] : sums[r] + sums[n + r];
                float scaled = scales[r] * (float)sum;
                if (t->min)
                    memcpy(&out[r], &scaled, sizeof scaled);
                else
                    out[r] = -(int32_t)t->offset * sum;
            }
}

static void group_task(void *context, size_t group, int thread) {
    (void)thread;
    const work *w = context;
    cso_qgemm_rows *rows = w->rows;
    size_t n = rows_in_group(rows, group), first = group * CSO_QGEMM_ROWS * rows->blocks;
    for (size_t r = 0; r < n && !rows->quantized; r++) {
        cso_qgemm_row to = {rows->values + BLOCK * (first + r), rows->scales + first + r, rows->sums + 2 * first + r, rows->blocks,
                            n};
        w->kernels->quantize_row(rows->x + (group * CSO_QGEMM_ROWS + r) * rows->ldx, &to);
    }
    for (size_t i = 0; i < rows->terms_count; i++)
        if (w->wanted >> i & 1)
            make_terms(rows, group, &rows->terms[i]);
}

cso_status cso_qgemm_rows_prepare(cso_context *ctx, cso_qgemm_rows *rows, uint32_t formats, cso_error *err) {
    work w = {rows, ctx->kernels, 0};
    const uint32_t plain = 1u << CSO_F32 | 1u << CSO_F16 | 1u << CSO_BF16;
    if (!(formats & ~plain))
        return CSO_OK;
    CSO_TRY(reserve_all(rows, formats, &w.wanted, err));
    if (!w.wanted)
        return CSO_OK;
    cso_parallel_for(ctx->pool, (rows->count + CSO_QGEMM_ROWS - 1) / CSO_QGEMM_ROWS, group_task, &w);
    rows->quantized = true;
    for (size_t i = 0; i < rows->terms_count; i++)
        if (w.wanted >> i & 1)
            rows->terms[i].ready = true;
    return CSO_OK;
}

void cso_qgemm_rows_group(const cso_qgemm_rows *rows, size_t group, cso_dtype dtype, cso_qgemm_tile *tile) {
    const cso_qgemm_format *f = &cso_qgemm_formats[dtype];
    const terms *t = rows->terms;
    while (t->parts != f->parts || t->offset != f->offset || t->min != (f->min != 0))
        t++;
    size_t first = group * CSO_QGEMM_ROWS * rows->blocks;
    tile->rows = rows_in_group(rows, group);
    tile->blocks = rows->blocks;
    tile->values = rows->values + BLOCK * first;
    tile->scales = rows->scales + first;
    tile->offsets = t->min ? NULL : t->values + t->parts * first;
    tile->sums = t->min ? (const float *)(const void *)(t->values + t->parts * first) : NULL;
}

void cso_qgemm_rows_plain(const cso_qgemm_rows *rows, size_t first, size_t most, cso_qgemm_plain *tile) {
    tile->x = rows->x + first * rows->ldx;
    tile->ldx = rows->ldx;
    tile->rows = rows->count - first < most ? rows->count - first : most;
}
