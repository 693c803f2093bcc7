/* qgemm_body.h - tiles of products with quantized rows on vectors (qgemm/qgemm_tile.h has layouts and arithmetic). A variant's file
 * includes it after a qgemm_<isa>.h and calls fill_qgemm. That header defines
 *
 *   QV_LANES      columns in a vector, 8 or 16
 *   QV_ROWS       rows at most in one pass over a panel
 *   QV_SIGNED     1: qv_dots subtracts the offset 128 itself; 0: the caller starts the sums with it
 *   qv_int, qv_float and the operations on them
 *   qv_dots       integer dot products of several rows
 *   quantize_row  the kernel
 *
 * The compiler makes a function for each format and number of rows from tile_rows, whose `f` and `rows` are constants.
 */

/* cso_iq4_levels plus 128. */
static const uint8_t levels_of_iq4[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

/* u[i]: the values 4 i .. 4 i + 3 of the columns of a vector; p: the block's values, from the first of these columns. */
QV_INLINE void unpack(const cso_qgemm_format f, const uint8_t *p, qv_int u[8]) {
    const qv_int low = qv_bytes(15);
    if (!f.nibbles && !f.pairs) {
        QV_UNROLL(8)
        for (int i = 0; i < 8; i++)
            u[i] = qv_load(p + 64 * i);
        return;
    }
    const int nibbles = f.nibbles ? 4 : 0, pairs = f.pairs ? 8 : 0, bits = f.bits ? 8 : 0;
    QV_UNROLL(4)
    for (int i = 0; i < nibbles; i++) {
        qv_int x = qv_load(p + 64 * i);
        u[i] = qv_and(x, low);
        u[i + 4] = qv_and(qv_shift(x, -4), low);
        if (f.levels) {
            u[i] = qv_look_up(levels_of_iq4, u[i]);
            u[i + 4] = qv_look_up(levels_of_iq4, u[i + 4]);
        }
    }
    p += f.nibbles ? 256 : 0;
    QV_UNROLL(8)
    for (int i = 0; i < pairs; i++) {
        qv_int x = qv_shift(qv_load(p + 64 * (i / 4)), f.pair_shift - 2 * (i % 4));
        const qv_int mask = qv_bytes((char)(3 << f.pair_shift));
        u[i] = f.nibbles ? qv_and_or(u[i], x, mask) : qv_and(x, mask);
    }
    p += f.pairs ? 128 : 0;
    QV_UNROLL(8)
    for (int i = 0; i < bits; i++)
        u[i] = qv_and_or(u[i], qv_shift(qv_load(p), f.bit_shift - i), qv_bytes((char)(1 << f.bit_shift)));
}

/* The largest u. */
QV_INLINE int largest_of(const cso_qgemm_format f) {
    int bytes = f.levels || (!f.nibbles && !f.pairs);
    return bytes ? 255 : (f.nibbles ? 15 : 0) | (f.pairs ? 3 << f.pair_shift : 0) | (f.bits ? 1 << f.bit_shift : 0);
}

/* The scales s and minima m of a block's parts, for the columns from `column`. */
typedef struct block_scales {
    qv_float s[2], m[2];
} block_scales;

QV_INLINE void header_scales(const cso_qgemm_format f, const uint8_t *p, int column, block_scales *header) {
    header->s[0] = qv_halves(p + 2 * column);
    if (f.min)
        header->m[0] = qv_halves(p + 32 + 2 * column);
}

QV_INLINE block_scales scales_of_block(const cso_qgemm_format f, const uint8_t *p, int column, const block_scales *header) {
    block_scales b = *header;
    if (!f.header) {
        header_scales(f, p, column, &b);
        return b;
    }
    p += column;
    if (f.parts == 2 && f.min) {
        QV_UNROLL(2)
        for (int part = 0; part < 2; part++) {
            b.s[part] = qv_mul(header->s[0], qv_low_nibbles(p + 16 * part));
            b.m[part] = qv_mul(header->m[0], qv_high_nibbles(p + 16 * part));
        }
    } else if (f.min) {
        b.s[0] = qv_mul(header->s[0], qv_unsigned(p));
        b.m[0] = qv_mul(header->m[0], qv_unsigned(p + 16));
    } else {
        b.s[0] = qv_mul(header->s[0], qv_signed(p));
        if (f.parts == 2)
            b.s[1] = qv_mul(header->s[0], qv_signed(p + 16));
    }
    return b;
}

/* A block of a few rows: y[n] += ... */
QV_INLINE void add_block(const cso_qgemm_format f, const int n, const qv_int u[8], const block_scales *w, const cso_qgemm_tile *x,
                         qv_float *y) {
    const int minima = f.min ? f.parts : 0;
    qv_float part_sum[4];
    QV_UNROLL(2)
    for (int part = 0; part < f.parts; part++) {
        qv_int dots[4];
        QV_UNROLL(4)
        for (int r = 0; r < n; r++)
            dots[r] = f.offset && !(QV_SIGNED && f.offset == 128) ? qv_each(x->offsets + (size_t)part * x->rows + r) : qv_zero();
        qv_dots(largest_of(f), n, 8 / f.parts, dots, u + 4 * part, x->values + 16 * part);
        QV_UNROLL(4)
        for (int r = 0; r < n; r++) {
            qv_float dot = qv_to_float(dots[r]);
            if (f.parts == 1)
                y[r] = qv_fma(dot, qv_mul(w->s[0], qv_same(x->scales + r)), y[r]);
            else
                part_sum[r] = part ? qv_fma(dot, w->s[1], part_sum[r]) : qv_mul(dot, w->s[0]);
        }
    }
    QV_UNROLL(4)
    for (int r = 0; r < n; r++) {
        if (f.parts == 2)
            y[r] = qv_fma(part_sum[r], qv_same(x->scales + r), y[r]);
        QV_UNROLL(2)
        for (int part = 0; part < minima; part++) {
            qv_float sum = qv_same(x->sums + (size_t)part * x->rows + r);
            y[r] = f.min > 0 ? qv_fma(w->m[part], sum, y[r]) : qv_fnma(w->m[part], sum, y[r]);
        }
    }
}

/* The tile from row r on. */
QV_INLINE cso_qgemm_tile rows_from(const cso_qgemm_format f, const cso_qgemm_tile *tile, size_t r) {
    cso_qgemm_tile t = *tile;
    t.values += 32 * r;
    t.scales += r;
    if (f.offset)
        t.offsets += r;
    if (f.min)
        t.sums += r;
    return t;
}

/* Rows first .. first + rows of a tile, for the columns from `column`. */
QV_TILE void tile_rows(const cso_qgemm_format f, const int rows, const cso_qgemm_tile *tile, size_t first, int column) {
    const int at_once = rows < 4 ? rows : 4;
    const uint8_t *p = tile->panel;
    block_scales header = {{qv_no_float(), qv_no_float()}, {qv_no_float(), qv_no_float()}};
    qv_float y[CSO_QGEMM_ROWS];
    QV_UNROLL(16)
    for (int r = 0; r < rows; r++)
        y[r] = qv_no_float();
    cso_qgemm_tile x = rows_from(f, tile, first);
    for (size_t block = 0; block < tile->blocks; block++) {
        qv_int u[8];
        if (f.header && block % 8 == 0) {
            header_scales(f, p, column, &header);
            p += f.header;
        }
        const block_scales w = scales_of_block(f, p, column, &header);
        unpack(f, p + f.scales + 4 * column, u);
        p += f.block;
        QV_UNROLL(4)
        for (int r = 0; r < rows; r += at_once) {
            const cso_qgemm_tile few = rows_from(f, &x, (size_t)r);
            add_block(f, at_once, u, &w, &few, y + r);
        }
        x.values += 32 * tile->rows;
        x.scales += tile->rows;
        if (f.offset)
            x.offsets += f.parts * tile->rows;
        if (f.min)
            x.sums += f.parts * tile->rows;
    }
    float *out = tile->out + first * tile->ld + column;
    QV_UNROLL(16)
    for (int r = 0; r < rows; r++)
        qv_store(out + (size_t)r * tile->ld, y[r], tile->columns - (size_t)column);
}

QV_INLINE void tile_vector(const cso_qgemm_format f, const cso_qgemm_tile *tile, int column) {
    size_t r = 0;
    for (; QV_ROWS >= 16 && r + 16 <= tile->rows; r += 16)
        tile_rows(f, 16, tile, r, column);
    for (; QV_ROWS >= 8 && r + 8 <= tile->rows; r += 8)
        tile_rows(f, 8, tile, r, column);
    for (; r + 4 <= tile->rows; r += 4)
        tile_rows(f, 4, tile, r, column);
    for (; r + 2 <= tile->rows; r += 2)
        tile_rows(f, 2, tile, r, column);
    for (; r < tile->rows; r++)
        tile_rows(f, 1, tile, r, column);
}

#define TILE(name, dtype)                                                                                                          \
    static void tile_##name(const cso_qgemm_tile *tile) {                                                                          \
        for (int column = 0; column < (int)tile->columns; column += QV_LANES)                                                      \
            tile_vector(cso_qgemm_formats[dtype], tile, column);                                                                   \
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
#undef TILE

static void fill_qgemm(cso_kernels *table) {
    table->quantize_row = quantize_row;
    table->qgemm_tile[CSO_Q4_0] = tile_q4_0;
    table->qgemm_tile[CSO_Q4_1] = tile_q4_1;
    table->qgemm_tile[CSO_Q5_0] = tile_q5_0;
    table->qgemm_tile[CSO_Q5_1] = tile_q5_1;
    table->qgemm_tile[CSO_Q8_0] = tile_q8_0;
    table->qgemm_tile[CSO_Q2_K] = tile_q2_k;
    table->qgemm_tile[CSO_Q3_K] = tile_q3_k;
    table->qgemm_tile[CSO_Q4_K] = tile_q4_k;
    table->qgemm_tile[CSO_Q5_K] = tile_q5_k;
    table->qgemm_tile[CSO_Q6_K] = tile_q6_k;
    table->qgemm_tile[CSO_IQ4_NL] = tile_iq4_nl;
    table->qgemm_tile[CSO_IQ4_XS] = tile_iq4_xs;
}
