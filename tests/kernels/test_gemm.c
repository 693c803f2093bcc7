/* test_gemm.c - matrix products against sums in double, and against themselves with other numbers of threads. ctest runs this
 * program once for each set of kernels (CSO_KERNELS, CSO_GEMM). */
#include "base/parallel.h"
#include "base/signals.h"
#include "kernel_fixture.h"
#include "kernels/gemm/gemm.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cso_context *ctx; /* of all tests */

static int open_context(void **state) {
    (void)state;
    return (int)cso_context_create(&ctx, 0, NULL);
}

static int close_context(void **state) {
    (void)state;
    cso_context_free(ctx);
    return 0;
}

typedef struct {
    size_t m, rows, columns, row0, extra_rows, head_dim;
    bool accumulate;
} product_case;

static const product_case cases[] = {
    /* several blocks of the sum */
    {9, 40, 3584, 0, 0, 0, true},
    {9, 3300, 256, 2, 0, 0, false},
    /* one to four rows of x go another way than more */
    {1, 70, 256, 0, 0, 0, false},
    {2, 33, 512, 3, 4, 0, true},
    {4, 130, 2304, 0, 0, 0, false},
    {1, 64, 256, 0, 0, 8, true},
    {5, 1, 256, 0, 0, 0, false},
    {5, 31, 256, 1, 2, 0, true},
    {12, 32, 256, 0, 0, 0, false},
    {13, 33, 256, 7, 3, 0, true},
    {37, 64, 768, 0, 0, 16, false},
    {37, 80, 512, 16, 16, 16, true},
    {24, 17, 1280, 5, 0, 0, false},
    {150, 300, 256, 0, 0, 0, false},
    {7, 800, 256, 0, 0, 0, true},
    {17, 1100, 512, 100, 9, 0, false},
    {29, 47, 1024, 0, 0, 0, true},
};

/* The weights as the plain kernels read them, row by row in the order that callers see. */
static float *all_weights(const cso_tensor *w) {
    size_t rows = cso_tensor_rows(w), columns = cso_tensor_columns(w);
    float *values = malloc(rows * columns * sizeof *values);
    assert_non_null(values);
    for (size_t r = 0; r < rows; r++)
        cso_kernels_at(0)->dequantize_row[w->dtype](cso_tensor_row(w, r), values + r * columns, columns);
    return values;
}

/* What bf16 compute multiplies. */
static double rounded(float x, cso_compute compute) {
    return compute == CSO_COMPUTE_BF16 ? cso_bf16_to_f32(cso_f32_to_bf16(x)) : x;
}

static void check_product(cso_gemm *gemm, cso_compute compute, cso_dtype dtype, const product_case *c, bool backward,
                          uint32_t seed) {
    size_t k = backward ? c->rows : c->columns, n = backward ? c->columns : c->rows, ldx = k + 3, ldy = n + 5;
    cso_tensor w = random_weight(dtype, c->row0 + c->rows + c->extra_rows, c->columns, &seed);
    w.interleaved_head_dim = c->head_dim;
    float *weights = all_weights(&w), *x = malloc(c->m * ldx * sizeof *x), *y = walled(c->m * ldy),
          *before = malloc(c->m * ldy * sizeof *y);
    assert_true(x && before);
    fill_random(x, c->m * ldx, -1, 1, &seed);
    /* Where the result is not added to, it is NaN before; what lies between the rows must stay. */
    for (size_t i = 0; i < c->m * ldy; i++)
        y[i] = before[i] = c->accumulate || i % ldy >= n ? random_float(&seed, -1, 1) : NAN;
    cso_error err;
    cso_status status = backward ? cso_gemm_nn(gemm, y, ldy, x, ldx, c->m, &w, c->row0, c->rows, c->accumulate, &err)
                                 : cso_gemm_nt(gemm, y, ldy, x, ldx, c->m, &w, c->row0, c->rows, c->accumulate, &err);
    assert_int_equal(status, CSO_OK);
    assert_true(walls_hold(y, c->m * ldy));
    for (size_t i = 0; i < c->m; i++) {
        for (size_t j = 0; j < ldy; j++) {
            double sum = 0, size = 0, old = before[i * ldy + j], got = y[i * ldy + j];
            if (j >= n) {
                assert_true(got == old);
                continue;
            }
            for (size_t l = 0; l < k; l++) {
                float weight = backward ? weights[(c->row0 + l) * c->columns + j] : weights[(c->row0 + j) * c->columns + l];
                double term = rounded(x[i * ldx + l], compute) * rounded(weight, compute);
                sum += term;
                size += fabs(term);
            }
            double expected = sum + (c->accumulate ? old : 0), bound = 1e-6 * (size + (c->accumulate ? fabs(old) : 0));
            /* A few rows of x are multiplied in f32 also where bf16 is asked for: the operands are then not rounded. */
            if (compute == CSO_COMPUTE_BF16 && c->m <= 4 && !backward)
                bound += 8e-3 * size;
            if (!(fabs(got - expected) <= bound))
                fail_msg("%s %s m=%zu rows=%zu+%zu columns=%zu: y[%zu][%zu] is %.9g instead of %.9g (bound %g)",
                         cso_dtype_get(dtype)->name, backward ? "nn" : "nt", c->m, c->row0, c->rows, c->columns, i, j, got,
                         expected, bound);
        }
    }
    free(x);
    free(before);
    free(weights);
    free_walled(y);
    free_weight(&w);
}

static void products_match_sums_in_double(cso_compute compute) {
    cso_error err;
    cso_gemm *gemm;
    cso_status status = cso_gemm_create(&gemm, ctx, compute, &err);
    if (compute == CSO_COMPUTE_BF16 && status == CSO_ERR_USAGE) {
        printf("skipped: %s\n", err.message);
        skip();
    }
    assert_int_equal(status, CSO_OK);
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        /* All cases for one type of each way into the products, a few for the others: they differ in their dequantizer only. */
        bool all = dtype == CSO_F32 || dtype == CSO_BF16 || dtype == CSO_Q4_1 || dtype == CSO_Q6_K;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i += all ? 1 : 4) {
            check_product(gemm, compute, (cso_dtype)dtype, &cases[i], false, (uint32_t)(17 * i + 1));
            check_product(gemm, compute, (cso_dtype)dtype, &cases[i], true, (uint32_t)(17 * i + 2));
        }
    }
    /* Odd numbers of columns, for the types that have them; enough rows or columns for several panels and blocks of the sum. */
    static const product_case odd[] = {{9, 11, 1, 0, 0, 0, false},  {9, 33, 37, 1, 0, 0, true},    {14, 1300, 77, 0, 0, 0, false},
                                       {6, 5, 4999, 0, 0, 0, true}, {6, 4999, 45, 0, 0, 0, false}, {3, 7, 37, 0, 0, 0, false}};
    for (int dtype = 0; dtype <= CSO_BF16; dtype++) {
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            check_product(gemm, compute, (cso_dtype)dtype, &odd[i], false, (uint32_t)(31 * i + 1));
            check_product(gemm, compute, (cso_dtype)dtype, &odd[i], true, (uint32_t)(31 * i + 2));
        }
    }
    cso_gemm_free(gemm);
}

static void f32_products_match(void **state) {
    (void)state;
    products_match_sums_in_double(CSO_COMPUTE_F32);
}

static void bf16_products_match(void **state) {
    (void)state;
    products_match_sums_in_double(CSO_COMPUTE_BF16);
}

static void empty_products(void **state) {
    (void)state;
    cso_error err;
    cso_gemm *gemm;
    uint32_t seed = 5;
    assert_int_equal(cso_gemm_create(&gemm, ctx, CSO_COMPUTE_F32, &err), CSO_OK);
    cso_tensor w = random_weight(CSO_Q8_0, 6, 32, &seed), none = random_weight(CSO_F32, 6, 0, &seed);
    float x[12] = {0}, y[64];
    for (int i = 0; i < 64; i++)
        y[i] = 7;
    assert_int_equal(cso_gemm_nt(gemm, y, 6, x, 32, 0, &w, 0, 6, false, &err), CSO_OK);
    assert_int_equal(cso_gemm_nt(gemm, y, 6, x, 32, 2, &w, 0, 0, false, &err), CSO_OK);
    assert_int_equal(cso_gemm_nn(gemm, y, 32, x, 0, 2, &w, 0, 0, true, &err), CSO_OK);
    for (int i = 0; i < 64; i++)
        assert_true(y[i] == 7);
    assert_int_equal(cso_gemm_nn(gemm, y, 32, x, 0, 1, &w, 0, 0, false, &err), CSO_OK); /* an empty sum is 0 */
    assert_true(y[0] == 0 && y[31] == 0 && y[32] == 7);
    assert_int_equal(cso_gemm_nt(gemm, y + 32, 6, x, 1, 2, &none, 0, 6, false, &err), CSO_OK);
    assert_true(y[32] == 0 && y[43] == 0 && y[44] == 7);
    free_weight(&w);
    free_weight(&none);
    cso_gemm_free(gemm);
}

/* --- the number of threads --- */

static const int thread_counts[] = {1, 2, 3, 8};

static void bits_do_not_depend_on_threads(cso_compute compute) {
    static const struct {
        cso_dtype dtype;
        size_t m, rows, columns;
    } shapes[] = {{CSO_F32, 1, 500, 768},    {CSO_Q4_K, 3, 500, 768},    {CSO_F32, 301, 577, 640}, {CSO_BF16, 301, 577, 640},
                  {CSO_Q4_1, 301, 577, 640}, {CSO_Q6_K, 77, 1030, 1280}, {CSO_F32, 29, 4000, 129}, {CSO_BF16, 700, 64, 512}};
    cso_error err;
    cso_gemm *gemm;
    cso_status status = cso_gemm_create(&gemm, ctx, compute, &err);
    if (compute == CSO_COMPUTE_BF16 && status == CSO_ERR_USAGE)
        skip();
    assert_int_equal(status, CSO_OK);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint32_t seed = 3;
        size_t m = shapes[i].m, rows = shapes[i].rows, columns = shapes[i].columns, widest = rows > columns ? rows : columns;
        cso_tensor w = random_weight(shapes[i].dtype, rows, columns, &seed);
        float *x = malloc(m * widest * sizeof *x), *y = malloc(m * widest * sizeof *y), *first = malloc(m * widest * sizeof *x);
        assert_true(x && y && first);
        fill_random(x, m * widest, -1, 1, &seed);
        for (int backward = 0; backward < 2; backward++) {
            size_t bytes = m * (backward ? columns : rows) * sizeof *y;
            for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
                cso_pool_set_threads(ctx->pool, thread_counts[t]);
                status = backward ? cso_gemm_nn(gemm, y, columns, x, rows, m, &w, 0, rows, false, &err)
                                  : cso_gemm_nt(gemm, y, rows, x, columns, m, &w, 0, rows, false, &err);
                assert_int_equal(status, CSO_OK);
                if (t == 0)
                    memcpy(first, y, bytes);
                else if (memcmp(first, y, bytes))
                    fail_msg("%s %s m=%zu: %d threads give other bits than one", cso_dtype_get(shapes[i].dtype)->name,
                             backward ? "nn" : "nt", m, thread_counts[t]);
            }
        }
        free(x);
        free(y);
        free(first);
        free_weight(&w);
    }
    cso_gemm_free(gemm);
    cso_pool_set_threads(ctx->pool, 0);
}

static void f32_bits_do_not_depend_on_threads(void **state) {
    (void)state;
    bits_do_not_depend_on_threads(CSO_COMPUTE_F32);
}

static void bf16_bits_do_not_depend_on_threads(void **state) {
    (void)state;
    bits_do_not_depend_on_threads(CSO_COMPUTE_BF16);
}

/* --- f32 matrices on both sides --- */

/* trans: 1 the left matrix is transposed, 2 the right one, 3 both. */
static void check_sgemm(int trans, size_t m, size_t n, size_t k, float alpha, float beta, uint32_t seed) {
    bool trans_a = trans & 1, trans_b = trans & 2;
    size_t lda = (trans_a ? m : k) + 2, ldb = (trans_b ? k : n) + 1, ldc = n + 3;
    size_t rows_a = trans_a ? k : m, rows_b = trans_b ? n : k;
    float *a = malloc((rows_a * lda + 1) * sizeof *a), *b = malloc((rows_b * ldb + 1) * sizeof *b);
    float *before = malloc((m * ldc + 1) * sizeof *before);
    assert_true(a && b && before);
    fill_random(a, rows_a * lda, -1, 1, &seed);
    fill_random(b, rows_b * ldb, -1, 1, &seed);
    for (size_t i = 0; i < m * ldc; i++)
        before[i] = beta != 0 || i % ldc >= n ? random_float(&seed, -1, 1) : NAN;
    float *results[6] = {0};
    for (size_t run = 0; run < 5; run++) { /* serial, then with 1, 2, 3 and 8 threads */
        float *c = results[run] = walled(m * ldc);
        if (m > 0 && ldc > 0)
            memcpy(c, before, m * ldc * sizeof *c);
        if (run)
            cso_pool_set_threads(ctx->pool, thread_counts[run - 1]);
        (run ? cso_sgemm : cso_sgemm_serial)(ctx, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        assert_true(walls_hold(c, m * ldc));
        for (size_t i = 0; i < m * ldc; i++) {
            size_t row = i / ldc, column = i % ldc;
            if (column >= n) {
                assert_true(c[i] == before[i]);
                continue;
            }
            double sum = 0, size = 0;
            for (size_t l = 0; l < k; l++) {
                double term = (double)a[trans_a ? l * lda + row : row * lda + l] * b[trans_b ? column * ldb + l : l * ldb + column];
                sum += term;
                size += fabs(term);
            }
            double expected = alpha * sum + (beta != 0 ? (double)beta * before[i] : 0);
            double bound = 1e-6 * (fabs(alpha) * size + fabs(beta)) + 1e-30;
            if (!(fabs(c[i] - expected) <= bound))
                fail_msg("sgemm %d%d m=%zu n=%zu k=%zu: C[%zu][%zu] is %.9g instead of %.9g", trans_a, trans_b, m, n, k, row,
                         column, (double)c[i], expected);
        }
        if (run > 1 && m && memcmp(results[1], c, m * ldc * sizeof *c) && beta != 0)
            fail_msg("sgemm m=%zu n=%zu k=%zu: bits depend on threads", m, n, k);
    }
    for (size_t run = 2; beta == 0 && run < 5; run++) {
        for (size_t i = 0; i < m; i++) {
            if (memcmp(results[1] + i * ldc, results[run] + i * ldc, n * sizeof(float)))
                fail_msg("sgemm m=%zu n=%zu k=%zu: bits depend on threads", m, n, k);
        }
    }
    for (size_t run = 0; run < 5; run++)
        free_walled(results[run]);
    free(a);
    free(b);
    free(before);
    cso_pool_set_threads(ctx->pool, 0);
}

static void sgemm_matches_sums_in_double(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1},    {0, 4, 4},     {4, 0, 4},     {3, 5, 0},      {300, 8, 70},
                                      {8, 300, 70}, {300, 90, 16}, {16, 90, 700}, {90, 16, 1300}, {130, 270, 65}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int trans = 0; trans < 4; trans++) {
            check_sgemm(trans, sizes[i][0], sizes[i][1], sizes[i][2], 1, 0, (uint32_t)i);
            check_sgemm(trans, sizes[i][0], sizes[i][1], sizes[i][2], -0.5f, 1, (uint32_t)i);
            check_sgemm(trans, sizes[i][0], sizes[i][1], sizes[i][2], 2, 0.25f, (uint32_t)i);
        }
    }
}

/* The low-rank term is added to what the product alone gives, whichever way the product is made. */
static void terms_are_added(void **state) {
    (void)state;
    enum { RANK = 5, LD = 7 };
    static const size_t rows_of_x[] = {1, 3, 20, 300};
    for (int compute = CSO_COMPUTE_F32; compute <= CSO_COMPUTE_BF16; compute++) {
        cso_error err;
        cso_gemm *gemm;
        if (cso_gemm_create(&gemm, ctx, (cso_compute)compute, &err) != CSO_OK)
            continue;
        for (size_t i = 0; i < 8; i++) {
            bool backward = i % 2;
            uint32_t seed = (uint32_t)i + 5;
            size_t m = rows_of_x[i / 2], rows = 130, columns = 256, n = backward ? columns : rows, k = backward ? rows : columns;
            cso_tensor w = random_weight(CSO_BF16, rows, columns, &seed);
            float *x = walled(m * k), *alone = walled(m * n), *both = walled(m * n), *left = walled(m * LD),
                  *right = walled(n * LD);
            fill_random(x, m * k, -1, 1, &seed);
            fill_random(left, m * LD, -1, 1, &seed);
            fill_random(right, n * LD, -1, 1, &seed);
            const cso_gemm_term term = {left, right, LD, backward ? n : LD, RANK, !backward, 0.5F};
            cso_status status = backward ? cso_gemm_nn(gemm, alone, n, x, k, m, &w, 0, rows, false, &err)
                                         : cso_gemm_nt(gemm, alone, n, x, k, m, &w, 0, rows, false, &err);
            assert_int_equal(status, CSO_OK);
            status = backward ? cso_gemm_nn_plus(gemm, both, n, x, k, m, &w, 0, rows, false, &term, &err)
                              : cso_gemm_nt_plus(gemm, both, n, x, k, m, &w, 0, rows, false, &term, &err);
            assert_int_equal(status, CSO_OK);
            assert_true(walls_hold(both, m * n));
            for (size_t at = 0; at < m * n; at++) {
                double sum = 0;
                for (size_t r = 0; r < RANK; r++)
                    sum += (double)left[at / n * LD + r] * (double)(backward ? right[r * n + at % n] : right[at % n * LD + r]);
                assert_true(fabs((double)both[at] - (double)alone[at] - 0.5 * sum) <= 1e-6 * (fabs((double)alone[at]) + RANK));
            }
            free_walled(x);
            free_walled(alone);
            free_walled(both);
            free_walled(left);
            free_walled(right);
            free_weight(&w);
        }
        cso_gemm_free(gemm);
    }
}

static void *send_signals(void *stop) {
    while (!atomic_load((atomic_bool *)stop)) {
        kill(getpid(), SIGUSR1);
        usleep(200);
    }
    return NULL;
}

/* A signal that comes within a library's code must not change what it computes: that once was how runs ended with a corrupted
 * heap. */
static void signals_do_no_harm(void **state) {
    (void)state;
    enum { SIDE = 200, ROUNDS = 500 };
    atomic_bool stop = false;
    pthread_t sender;
    uint32_t seed = 3;
    float *a = walled(SIDE * SIDE), *b = walled(SIDE * SIDE), *before = walled(SIDE * SIDE);
    fill_random(a, SIDE * SIDE, -1, 1, &seed);
    fill_random(b, SIDE * SIDE, -1, 1, &seed);
    cso_signals_install("test_gemm");
    cso_signals_accept_save();
    cso_pool_set_threads(ctx->pool, 2);
    assert_int_equal(pthread_create(&sender, NULL, send_signals, &stop), 0);
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t m = 1 + i * 37 % SIDE, n = 1 + i * 71 % SIDE, k = 1 + i * 53 % SIDE;
        bool left = i & 1, right = i & 2;
        float *c = malloc(m * n * sizeof *c);
        for (int pass = 0; pass < 2; pass++)
            cso_sgemm(ctx, left, right, m, n, k, 1, a, SIDE, b, SIDE, 0, pass ? c : before, n);
        assert_memory_equal(c, before, m * n * sizeof *c);
        free(c);
    }
    atomic_store(&stop, true);
    pthread_join(sender, NULL);
    assert_true(cso_signals_save());
    cso_pool_set_threads(ctx->pool, 0);
    free_walled(a);
    free_walled(b);
    free_walled(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_products_match),
        cmocka_unit_test(bf16_products_match),
        cmocka_unit_test(empty_products),
        cmocka_unit_test(f32_bits_do_not_depend_on_threads),
        cmocka_unit_test(bf16_bits_do_not_depend_on_threads),
        cmocka_unit_test(sgemm_matches_sums_in_double),
        cmocka_unit_test(terms_are_added),
        cmocka_unit_test(signals_do_no_harm),
    };
    return cmocka_run_group_tests_name("gemm", tests, open_context, close_context);
}
