/* qgemm_plain_body.h - weights in F32, F16 and BF16 times rows in f32 on vectors (qgemm/qgemm_tile.h has the order of sums).
 *
 * A variant's file includes it after a qgemm_plain_<isa>.h, which defines sixteen sums (pv_sums) and the operations on them, and
 * calls fill_qgemm_plain. The compiler makes a function for each type and number of columns and rows.
 */
#include "qgemm_inline.h"

/* Columns j .. j + columns and rows r .. r + rows of the result. */
QV_TILE void plain_part(const cso_dtype dtype, const int columns, const int rows, const cso_qgemm_plain *t, size_t j, size_t r) {
    const size_t bytes = dtype == CSO_F32 ? 4 : 2, whole = t->n / 16 * 16;
    const float *x = t->x + r * t->ldx;
    pv_sums sums[PV_MANY][PV_ROWS];
    QV_UNROLL(8)
    for (int c = 0; c < columns; c++) {
        QV_UNROLL(8)
        for (int i = 0; i < rows; i++)
            sums[c][i] = pv_zero();
    }
    for (size_t at = 0; at < t->n; at += 16) {
        const int count = at < whole ? 16 : (int)(t->n - at);
        pv_sums w[PV_MANY];
        QV_UNROLL(8)
        for (int c = 0; c < columns; c++)
            w[c] = pv_weights(dtype, t->w[j + (size_t)c] + at * bytes, count);
        QV_UNROLL(8)
        for (int i = 0; i < rows; i++) {
            pv_sums numbers = pv_weights(CSO_F32, (const uint8_t *)(x + (size_t)i * t->ldx + at), count);
            QV_UNROLL(8)
            for (int c = 0; c < columns; c++)
                sums[c][i] = pv_fma(w[c], numbers, sums[c][i]);
        }
    }
    QV_UNROLL(8)
    for (int c = 0; c < columns; c++) {
        QV_UNROLL(8)
        for (int i = 0; i < rows; i++)
            t->out[(r + (size_t)i) * t->ld + j + (size_t)c] = pv_total(sums[c][i]);
    }
}

QV_INLINE void plain_columns(const cso_dtype dtype, const int columns, const cso_qgemm_plain *t, size_t j) {
    size_t r = 0;
    for (; r + PV_ROWS <= t->rows; r += PV_ROWS)
        plain_part(dtype, columns, PV_ROWS, t, j, r);
    for (; r < t->rows; r++)
        plain_part(dtype, columns, 1, t, j, r);
}

QV_INLINE void plain_tile(const cso_dtype dtype, const cso_qgemm_plain *t) {
    size_t j = 0;
    for (; t->rows == 1 && j + PV_MANY <= t->columns; j += PV_MANY)
        plain_part(dtype, PV_MANY, 1, t, j, 0);
    for (; j + PV_COLUMNS <= t->columns; j += PV_COLUMNS)
        plain_columns(dtype, PV_COLUMNS, t, j);
    for (; j < t->columns; j++)
        plain_columns(dtype, 1, t, j);
}

static void plain_f32(const cso_qgemm_plain *t) {
    plain_tile(CSO_F32, t);
}
static void plain_f16(const cso_qgemm_plain *t) {
    plain_tile(CSO_F16, t);
}
static void plain_bf16(const cso_qgemm_plain *t) {
    plain_tile(CSO_BF16, t);
}

static void fill_qgemm_plain(cso_kernels *table) {
    table->qgemm_plain[CSO_F32] = plain_f32;
    table->qgemm_plain[CSO_F16] = plain_f16;
    table->qgemm_plain[CSO_BF16] = plain_bf16;
}
