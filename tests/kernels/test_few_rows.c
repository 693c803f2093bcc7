/* test_few_rows.c - the products of few rows: each variant against the plain one, and a number's bits alone and among others. */
#include "kernel_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct product {
    float *y;
    size_t ldy;
    const float *x;
    size_t ldx, m;
    const float *b;
    size_t ldb, n, k;
    int accumulate;
} product;

/* which: 1 mix, 0 dots. */
static void multiply(const cso_kernels *kernels, int which, const product *p) {
    if (which)
        kernels->mix(p->y, p->ldy, p->x, p->ldx, p->m, p->b, p->ldb, p->n, p->k, p->accumulate, NULL);
    else
        kernels->dots(p->y, p->ldy, p->x, p->ldx, p->m, p->b, p->ldb, p->n, p->k, p->accumulate);
}

/* Two operands, whose rows have three numbers between them that nobody may use. */
typedef struct operands {
    size_t m, n, k, ldx, ldb, ldy, b_rows;
    float *x, *b, *y;
} operands;

static operands make(int which, size_t m, size_t n, size_t k) {
    uint32_t seed = 7;
    operands o = {.m = m, .n = n, .k = k, .ldx = k + 3, .ldb = (which ? n : k) + 3, .ldy = n + 3, .b_rows = which ? k : n};
    o.x = walled(m * o.ldx);
    o.b = walled(o.b_rows * o.ldb);
    o.y = walled(m * o.ldy);
    for (size_t i = 0; i < m; i++)
        fill_random(o.x + i * o.ldx, k, -1, 1, &seed);
    for (size_t i = 0; i < o.b_rows; i++)
        fill_random(o.b + i * o.ldb, which ? n : k, -1, 1, &seed);
    for (size_t i = 0; i < m; i++)
        fill_random(o.y + i * o.ldy, n, -1, 1, &seed);
    return o;
}

static void release(operands *o) {
    assert_true(walls_hold(o->x, o->m * o->ldx) && walls_hold(o->b, o->b_rows * o->ldb) && walls_hold(o->y, o->m * o->ldy));
    free_walled(o->x);
    free_walled(o->b);
    free_walled(o->y);
}

static const size_t shapes[][3] = {{1, 1, 1},    {1, 6, 64},   {4, 6, 16},  {5, 13, 33},  {3, 64, 48},
                                   {11, 150, 7}, {2, 17, 300}, {7, 48, 64}, {11, 33, 130}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void variants_agree(void **state) {
    (void)state;
    for (size_t v = 1; cso_kernels_at(v); v++)
        for (int which = 0; which < 4; which++)
            for (int s = 0; s < SHAPES; s++) {
                operands got = make(which & 1, shapes[s][0], shapes[s][1], shapes[s][2]);
                operands expected = make(which & 1, shapes[s][0], shapes[s][1], shapes[s][2]);
                multiply(cso_kernels_at(v), which & 1,
                         &(product){got.y, got.ldy, got.x, got.ldx, got.m, got.b, got.ldb, got.n, got.k, which & 2});
                multiply(cso_kernels_at(0), which & 1,
                         &(product){expected.y, got.ldy, expected.x, got.ldx, got.m, expected.b, got.ldb, got.n, got.k, which & 2});
                for (size_t i = 0; i < got.m; i++)
                    for (size_t j = 0; j < got.n; j++)
                        check_close(which & 1 ? "mix" : "dots", got.k, j, got.y[i * got.ldy + j], expected.y[i * got.ldy + j], 1e-6,
                                    4e-6);
                release(&got);
                release(&expected);
            }
}

/* Every number again, by a product of one row with one column. */
static void bits_do_not_depend_on_others(void **state) {
    (void)state;
    for (size_t v = 0; cso_kernels_at(v); v++)
        for (int which = 0; which < 4; which++)
            for (int s = 0; s < SHAPES; s++) {
                operands o = make(which & 1, shapes[s][0], shapes[s][1], shapes[s][2]);
                operands alone = make(which & 1, shapes[s][0], shapes[s][1], shapes[s][2]);
                multiply(cso_kernels_at(v), which & 1, &(product){o.y, o.ldy, o.x, o.ldx, o.m, o.b, o.ldb, o.n, o.k, which & 2});
                for (size_t i = 0; i < o.m; i++)
                    for (size_t j = 0; j < o.n; j++) {
                        float *y = alone.y + i * o.ldy + j;
                        multiply(cso_kernels_at(v), which & 1,
                                 &(product){y, 1, o.x + i * o.ldx, o.ldx, 1, o.b + (which & 1 ? j : j * o.ldb), o.ldb, 1, o.k,
                                            which & 2});
                        assert_memory_equal(y, o.y + i * o.ldy + j, sizeof *y);
                    }
                release(&o);
                release(&alone);
            }
}

/* f16 has the bits of converting b first; rounding those of cso_f32_to_f16. */
static void f16_is_converted(void **state) {
    (void)state;
    for (size_t v = 0; cso_kernels_at(v); v++)
        for (int which = 0; which < 2; which++)
            for (int s = 0; s < SHAPES; s++) {
                operands half = make(1, shapes[s][0], shapes[s][1], shapes[s][2]);
                operands o = make(1, shapes[s][0], shapes[s][1], shapes[s][2]);
                uint16_t *b = calloc(o.b_rows * o.ldb, sizeof *b);
                assert_non_null(b);
                for (size_t i = 0; i < o.b_rows; i++) {
                    cso_kernels_at(v)->round_f16(b + i * o.ldb, o.b + i * o.ldb, o.n);
                    for (size_t j = 0; j < o.n; j++) {
                        assert_int_equal(b[i * o.ldb + j], cso_f32_to_f16(o.b[i * o.ldb + j]));
                        o.b[i * o.ldb + j] = cso_f16_to_f32(b[i * o.ldb + j]);
                    }
                }
                cso_kernels_at(v)->mix_f16(half.y, o.ldy, half.x, o.ldx, o.m, b, o.ldb, o.n, o.k, which, b);
                cso_kernels_at(v)->mix(o.y, o.ldy, o.x, o.ldx, o.m, o.b, o.ldb, o.n, o.k, which, NULL);
                for (size_t i = 0; i < o.m; i++)
                    assert_memory_equal(half.y + i * o.ldy, o.y + i * o.ldy, o.n * sizeof(float));
                free(b);
                release(&half);
                release(&o);
            }
}

static void f16_has_an_end(void **state) {
    (void)state;
    static const float x[] = {65504, 65520, 1e9f, -1e9f, INFINITY, -INFINITY, 1e-9f, -0.0f, NAN, 0.333f};
    static const uint16_t expected[] = {0x7bff, 0x7bff, 0x7bff, 0xfbff, 0x7bff, 0xfbff, 0, 0x8000, 0x7e00, 0x3554};
    enum { N = sizeof x / sizeof *x };
    for (size_t v = 0; cso_kernels_at(v); v++) {
        uint16_t out[3 * N];
        float many[3 * N];
        for (int i = 0; i < 3 * N; i++)
            many[i] = x[i % N];
        for (size_t n = 0; n <= 3 * N; n++) {
            cso_kernels_at(v)->round_f16(out, many, n);
            for (size_t i = 0; i < n; i++)
                assert_true(i % N == 8 ? (out[i] & 0x7fff) > 0x7c00 : out[i] == expected[i % N]);
        }
    }
}

enum { ROWS = 3, STEPS = 4, OUT = 21 };

/* STEPS steps over n numbers each; then l and out are those of a softmax over all of them, by sums in double. */
static void steps_of(const cso_kernels *kernels, size_t n, size_t rows, const float *x, float *m, double *l, float *out) {
    float scores[ROWS][80];
    for (size_t row = 0; row < rows; row++) {
        m[row] = -INFINITY;
        l[row] = 0;
    }
    memset(out, 0, rows * OUT * sizeof *out);
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t row = 0; row < rows; row++)
            memcpy(scores[row], x + (row * STEPS + step) * n, n * sizeof *x);
        kernels->softmax_step(scores[0], 80, rows, n, m, l, out, OUT);
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < OUT; j++)
                    out[row * OUT + j] += scores[row][i] * (float)((step * n + i + j) % 13);
    }
}

static void softmax_in_steps(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 5, 16, 31, 64, 77};
    for (size_t v = 0; cso_kernels_at(v); v++)
        for (size_t s = 0; s < sizeof lengths / sizeof *lengths; s++) {
            uint32_t seed = 3;
            size_t n = lengths[s];
            float x[ROWS * STEPS * 80], m[ROWS], out[ROWS * OUT], one_m, one_out[OUT];
            double l[ROWS], one_l;
            fill_random(x, ROWS * STEPS * n, -9, 9, &seed);
            steps_of(cso_kernels_at(v), n, ROWS, x, m, l, out);
            for (size_t row = 0; row < ROWS; row++) {
                const float *values = x + row * STEPS * n;
                double most = -INFINITY, sum = 0;
                for (size_t i = 0; i < STEPS * n; i++)
                    most = fmax(most, (double)values[i]);
                for (size_t i = 0; i < STEPS * n; i++)
                    sum += exp((double)values[i] - most);
                check_close("softmax_step, m", n, row, m[row], most, 0, 0);
                check_close("softmax_step, l", n, row, l[row], sum, 2e-6, 0);
                for (size_t j = 0; j < OUT; j++) {
                    double expected = 0;
                    for (size_t i = 0; i < STEPS * n; i++)
                        expected += exp((double)values[i] - most) * (double)((i + j) % 13);
                    check_close("softmax_step, out", n, j, out[row * OUT + j], expected, 4e-6, 1e-6);
                }
                steps_of(cso_kernels_at(v), n, 1, values, &one_m, &one_l, one_out); /* alone: the same bits */
                assert_memory_equal(&one_l, &l[row], sizeof one_l);
                assert_memory_equal(one_out, out + row * OUT, sizeof one_out);
            }
            x[n / 2] = NAN;
            steps_of(cso_kernels_at(v), n, ROWS, x, m, l, out);
            assert_true(isnan(l[0]) && !isnan(l[1]));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(variants_agree), cmocka_unit_test(bits_do_not_depend_on_others),
                                       cmocka_unit_test(f16_is_converted), cmocka_unit_test(f16_has_an_end),
                                       cmocka_unit_test(softmax_in_steps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
