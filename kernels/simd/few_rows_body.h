/* few_rows_body.h - dots and mix of kernels.h on vectors. Included after a vec_<isa>.h.
 *
 * Tiles of rows and columns only decide what is in registers at a time: a number's own sum has one order, so that it has the same
 * bits in any tile.
 */
#include "../variants.h"
#include "math_body.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct few_rows {
    float *y;
    size_t ldy;
    const float *x;
    size_t ldx;
    const float *b;
    const uint16_t *half; /* instead of b */
    size_t ldb, k;
    int accumulate;
    const char *next; /* NULL: none */
} few_rows;

/* Registers: DOT_ROWS * DOT_COLUMNS sums, DOT_COLUMNS operands and one more; MIX_ROWS * MIX_VECTORS, MIX_VECTORS and one. */
enum { DOT_ROWS = LANES == 16 ? 4 : 2, DOT_COLUMNS = LANES == 16 ? 6 : 4, MIX_ROWS = LANES == 16 ? 6 : 2, MIX_VECTORS = 4 };

/* One sum in each lane over l, l + LANES, ..., then over the lanes. */
ALWAYS_INLINE void dots_tile(const few_rows *p, size_t i, size_t j, int rows, int columns) {
    vf sums[DOT_ROWS][DOT_COLUMNS], w[DOT_COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            sums[r][c] = v_set(0);
    const float *x = p->x + i * p->ldx, *b = p->b + j * p->ldb;
    size_t l = 0;
    for (; l + LANES <= p->k; l += LANES) {
        for (int c = 0; c < columns; c++)
            w[c] = v_load(b + (size_t)c * p->ldb + l);
        for (int r = 0; r < rows; r++) {
            vf a = v_load(x + (size_t)r * p->ldx + l);
            for (int c = 0; c < columns; c++)
                sums[r][c] = v_fma(a, w[c], sums[r][c]);
        }
    }
    for (int c = 0; l < p->k && c < columns; c++) {
        vf last = v_load_first(b + (size_t)c * p->ldb + l, p->k - l);
        for (int r = 0; r < rows; r++)
            sums[r][c] = v_fma(v_load_first(x + (size_t)r * p->ldx + l, p->k - l), last, sums[r][c]);
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            float *y = p->y + (i + (size_t)r) * p->ldy + j + (size_t)c, sum = v_sum(sums[r][c]);
            *y = p->accumulate ? *y + sum : sum;
        }
}

ALWAYS_INLINE void dots_rows(const few_rows *p, size_t i, size_t n, int rows) {
    size_t j = 0;
    for (; j + DOT_COLUMNS <= n; j += DOT_COLUMNS)
        dots_tile(p, i, j, rows, DOT_COLUMNS);
    for (; j < n; j++)
        dots_tile(p, i, j, rows, 1);
}

static void dots(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *w, size_t ldw, size_t n, size_t k,
                 int accumulate) {
    const few_rows p = {y, ldy, x, ldx, w, NULL, ldw, k, accumulate, NULL};
    size_t i = 0;
    for (; i + DOT_ROWS <= m; i += DOT_ROWS)
        dots_rows(&p, i, n, DOT_ROWS);
    for (; i + 2 <= m; i += 2)
        dots_rows(&p, i, n, 2);
    if (i < m)
        dots_rows(&p, i, n, 1);
}

/* A vector of b from its number `at` on. */
ALWAYS_INLINE vf mix_load(const few_rows *p, size_t at, int f16) {
    return f16 ? v_load_f16(p->half + at) : v_load(p->b + at);
}

ALWAYS_INLINE void mix_tile(const few_rows *p, size_t i, size_t j, int rows, int vectors, int f16) {
    vf sums[MIX_ROWS][MIX_VECTORS], b[MIX_VECTORS];
    float *y = p->y + i * p->ldy + j;
    const float *x = p->x + i * p->ldx;
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = p->accumulate ? v_load(y + (size_t)r * p->ldy + (size_t)v * LANES) : v_set(0);
    const char *next = i == 0 && j == 0 ? p->next : NULL;
    size_t step = p->ldb * (f16 ? sizeof(uint16_t) : sizeof(float));
    for (size_t l = 0, at = j; l < p->k; l++, at += p->ldb) {
        for (size_t line = 0; next && line < step; line += 64)
            __builtin_prefetch(next + l * step + line);
        for (int v = 0; v < vectors; v++)
            b[v] = mix_load(p, at + (size_t)v * LANES, f16);
        for (int r = 0; r < rows; r++) {
            vf a = v_set(x[(size_t)r * p->ldx + l]);
            for (int v = 0; v < vectors; v++)
                sums[r][v] = v_fma(a, b[v], sums[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            v_store(y + (size_t)r * p->ldy + (size_t)v * LANES, sums[r][v]);
}

/* The last columns, fewer than a vector. */
static void mix_rest(const few_rows *p, size_t i, size_t j, size_t left) {
    float *y = p->y + i * p->ldy + j;
    uint16_t half[LANES] = {0};
    vf sum = p->accumulate ? v_load_first(y, left) : v_set(0), b;
    for (size_t l = 0; l < p->k; l++) {
        if (p->half) {
            for (size_t c = 0; c < left; c++)
                half[c] = p->half[l * p->ldb + j + c];
            b = v_load_f16(half);
        } else {
            b = v_load_first(p->b + l * p->ldb + j, left);
        }
        sum = v_fma(v_set(p->x[i * p->ldx + l]), b, sum);
    }
    v_store_first(y, sum, left);
}

ALWAYS_INLINE void mix_rows(const few_rows *p, size_t i, size_t n, int rows, int f16) {
    size_t j = 0;
    for (; j + MIX_VECTORS * LANES <= n; j += MIX_VECTORS * LANES)
        mix_tile(p, i, j, rows, MIX_VECTORS, f16);
    for (; j + LANES <= n; j += LANES)
        mix_tile(p, i, j, rows, 1, f16);
    for (int r = 0; j < n && r < rows; r++)
        mix_rest(p, i + (size_t)r, j, n - j);
}

ALWAYS_INLINE void mix_all(const few_rows *p, size_t m, size_t n, int f16) {
    size_t i = 0;
    for (; i + MIX_ROWS <= m; i += MIX_ROWS)
        mix_rows(p, i, n, MIX_ROWS, f16);
    switch (m - i) { /* fewer than MIX_ROWS: the cases from that on are dead */
    case 5:
        mix_rows(p, i, n, MIX_ROWS > 5 ? 5 : 1, f16);
        break;
    case 4:
        mix_rows(p, i, n, MIX_ROWS > 4 ? 4 : 1, f16);
        break;
    case 3:
        mix_rows(p, i, n, MIX_ROWS > 3 ? 3 : 1, f16);
        break;
    case 2:
        mix_rows(p, i, n, MIX_ROWS > 2 ? 2 : 1, f16);
        break;
    case 1:
        mix_rows(p, i, n, 1, f16);
        break;
    default:
        break;
    }
}

static void mix(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *b, size_t ldb, size_t n, size_t k,
                int accumulate, const void *next) {
    const few_rows p = {y, ldy, x, ldx, b, NULL, ldb, k, accumulate, next};
    mix_all(&p, m, n, 0);
}

static void mix_f16(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const uint16_t *b, size_t ldb, size_t n, size_t k,
                    int accumulate, const void *next) {
    const few_rows p = {y, ldy, x, ldx, NULL, b, ldb, k, accumulate, next};
    mix_all(&p, m, n, 1);
}

/* The largest of n numbers and of `least`; what is no number counts as none. */
static inline float row_max(const float *x, size_t n, float least) {
    vf best = v_set(least);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        best = v_max(v_load(x + i), best);
    float lanes[LANES], most = least;
    v_store(lanes, best);
    for (int j = 0; j < LANES; j++)
        most = lanes[j] > most ? lanes[j] : most;
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static void softmax_step(float *x, size_t ldx, size_t rows, size_t n, float *m, double *l, float *out, size_t e) {
    for (size_t row = 0; row < rows; row++, x += ldx, out += e) {
        float most = row_max(x, n, m[row]);
        if (most > m[row]) {
            float lanes[LANES];
            vf shrink = v_exp(v_set(m[row] - most));
            v_store(lanes, shrink);
            l[row] *= (double)lanes[0];
            size_t j = 0;
            for (; j + LANES <= e; j += LANES)
                v_store(out + j, v_mul(v_load(out + j), shrink));
            for (; j < e; j++)
                out[j] *= lanes[0];
            m[row] = most;
        }
        vf shift = v_set(most), sum = v_set(0);
        size_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            vf value = v_exp(v_sub(v_load(x + i), shift));
            v_store(x + i, value);
            sum = v_add(sum, value);
        }
        if (i < n) {
            vf value = v_keep_first(v_exp(v_sub(v_load_first(x + i, n - i), shift)), n - i);
            v_store_first(x + i, value, n - i);
            sum = v_add(sum, value);
        }
        l[row] += (double)v_sum(sum);
    }
}

static void round_f16(uint16_t *out, const float *x, size_t n) {
    vf most = v_set(65504.0f), least = v_set(-65504.0f);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store_f16(out + i, v_max(least, v_min(most, v_load(x + i)))); /* in this order of arguments a NaN stays */
    if (i < n) {
        uint16_t last[LANES];
        v_store_f16(last, v_max(least, v_min(most, v_load_first(x + i, n - i))));
        for (size_t j = 0; i + j < n; j++)
            out[i + j] = last[j];
    }
}

static void fill_few_rows(cso_kernels *table) {
    table->dots = dots;
    table->mix = mix;
    table->mix_f16 = mix_f16;
    table->round_f16 = round_f16;
    table->softmax_step = softmax_step;
}

#undef ALWAYS_INLINE
