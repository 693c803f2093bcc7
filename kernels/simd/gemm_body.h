/* gemm_body.h - the inner part of a matrix product (gemm/packed.h). Included after a vec_<isa>.h, once for each instruction
 * set and type, with
 *   CSO_PACKED    the name of the table
 *   MICRO_ROWS    how many rows of the result fit the registers, 6 or 12
 *   UNIT          numbers in a unit, 1 or 2
 *   make_unit     vf (vf k, vf k_plus_1), called for UNIT 2 only
 *   add_products  vf (vf x, vf w, vf sum), sum + x w for a unit
 *
 * MICRO_ROWS x 2 vectors of the result stay in registers while k runs: each step loads two vectors of W, which streams from the
 * second-level cache, and one unit of each row of x, which is broadcast and multiplied with both. 12 x 2 accumulators of
 * AVX-512 (6 x 2 of AVX2) hide the latency of the multiplier and leave loads to spare (Goto & van de Geijn 2008; Van Zee &
 * van de Geijn 2015).
 */
#include "../gemm/packed.h"

enum { WIDTH = 2 * LANES };

static inline vf unit_of(vf k, vf k_plus_1) {
#if UNIT == 2
    return make_unit(k, k_plus_1);
#else
    (void)k_plus_1;
    return k;
#endif
}

static void pack_transposed(float *packed, const float *source, size_t ld, size_t count, size_t k) {
    for (size_t part = 0; part < WIDTH; part += LANES) {
        size_t rows = count > part ? count - part : 0;
        for (size_t i = 0; i < k; i += LANES) {
            vf block[LANES];
            for (size_t r = 0; r < LANES; r++) {
                const float *p = source + (part + r) * ld + i;
                block[r] = r >= rows ? v_set(0) : k - i >= LANES ? v_load(p) : v_load_first(p, k - i);
            }
            v_transpose(block);
            for (size_t j = 0; j < LANES && i + j < k; j += UNIT)
                v_store(packed + (i + j) / UNIT * WIDTH + part, unit_of(block[j], block[j + UNIT - 1]));
        }
    }
}

static inline vf load_row(const float *row, size_t column, size_t n) {
    if (!row || column >= n)
        return v_set(0);
    return n - column >= LANES ? v_load(row + column) : v_load_first(row + column, n - column);
}

static void pack_rows(float *packed, size_t stride, const float *row0, const float *row1, size_t n) {
    for (size_t column = 0; column < n; column += WIDTH, packed += stride) {
        for (size_t part = 0; part < WIDTH; part += LANES)
            v_store(packed + part, unit_of(load_row(row0, column + part, n), load_row(row1, column + part, n)));
    }
}

static inline void finish(float *y, vf sum, size_t n, bool add) {
    if (n >= LANES)
        v_store(y, add ? v_add(v_load(y), sum) : sum);
    else if (n > 0)
        v_store_first(y, add ? v_add(v_load_first(y, n), sum) : sum, n);
}

/* `rows` is a constant in every use, so that the loops over it vanish. Rows of x are reached from every third one: a pointer
 * for each would not fit the integer registers. */
static inline __attribute__((always_inline)) void micro(const size_t rows, float *y, size_t ldy, const float *x, size_t ldx,
                                                        const float *w, size_t n, size_t units, bool add) {
    enum { GROUPS = (MICRO_ROWS + 2) / 3 };
    vf low[MICRO_ROWS], high[MICRO_ROWS];
    const float *group[GROUPS];
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        low[r] = high[r] = v_set(0);
        if (r % 3 == 0)
            group[r / 3] = x + r * ldx;
        __builtin_prefetch(y + r * ldy, 1);
        __builtin_prefetch(y + r * ldy + (n > LANES ? LANES : 0), 1);
    }
    for (size_t i = 0; i < units; i++, w += WIDTH) {
        vf w0 = v_load(w), w1 = v_load(w + LANES);
#pragma GCC unroll 16
        for (size_t r = 0; r < rows; r++) {
            vf a = v_set(group[r / 3][r % 3 * ldx]);
            low[r] = add_products(a, w0, low[r]);
            high[r] = add_products(a, w1, high[r]);
        }
#pragma GCC unroll 16
        for (size_t g = 0; g < (rows + 2) / 3; g++) {
            group[g]++;
            __asm__("" : "+r"(group[g])); /* keep the compiler from making a pointer of each row after all */
        }
    }
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        finish(y + r * ldy, low[r], n, add);
        finish(y + r * ldy + LANES, high[r], n > LANES ? n - LANES : 0, add);
    }
}

#define MICRO(rows)                                                                                                                \
    static void micro_##rows(float *y, size_t ldy, const float *x, size_t ldx, const float *w, size_t n, size_t units, bool add) { \
        micro(rows, y, ldy, x, ldx, w, n, units, add);                                                                             \
    }
typedef void (*micro_kernel)(float *y, size_t ldy, const float *x, size_t ldx, const float *w, size_t n, size_t units, bool add);
MICRO(1)
MICRO(2)
MICRO(3)
MICRO(4)
MICRO(5)
MICRO(6)
#if MICRO_ROWS == 12
    MICRO(7) MICRO(8) MICRO(9) MICRO(10) MICRO(11) MICRO(12)
#endif
        static const micro_kernel micro_kernels[MICRO_ROWS + 1] = {
            NULL,    micro_1, micro_2, micro_3,  micro_4,  micro_5,  micro_6,
#if MICRO_ROWS == 12
            micro_7, micro_8, micro_9, micro_10, micro_11, micro_12,
#endif
};

static void multiply(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *packed, size_t stride, size_t n,
                     size_t units, bool add) {
    for (size_t column = 0; column < n; column += WIDTH, packed += stride) {
        for (size_t row = 0; row < m; row += MICRO_ROWS) {
            size_t rows = m - row < MICRO_ROWS ? m - row : MICRO_ROWS;
            micro_kernels[rows](y + row * ldy + column, ldy, x + row * ldx, ldx, packed, n - column, units, add);
        }
    }
}

const cso_packed_kernels CSO_PACKED = {WIDTH, MICRO_ROWS, UNIT, pack_transposed, pack_rows, multiply};
