/* test_qgemm.c - products with quantized rows: every type and variant of the kernels against sums in double, and the same bits
 * whatever the variant, the rows in the call, their order, the threads, and the way the weights are read. */
#include "base/memory.h"
#include "base/parallel.h"
#include "kernel_fixture.h"
#include "kernels/qgemm/qgemm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cso_context *ctx; /* of all tests */
static cso_qgemm_rows *rows;

static int open_context(void **state) {
    (void)state;
    return cso_context_create(&ctx, 2, NULL) || cso_qgemm_rows_create(&rows, NULL);
}

static int close_context(void **state) {
    (void)state;
    cso_qgemm_rows_free(rows);
    cso_context_free(ctx);
    return 0;
}

static float *numbers(size_t n) {
    float *x = malloc(n ? n * sizeof *x : 1);
    assert_non_null(x);
    return x;
}

/* Freed with free. */
static void *pack(cso_qgemm_weight *w) {
    void *memory;
    assert_int_equal(cso_qgemm_pack(ctx, w, 1, &memory, NULL), CSO_OK);
    assert_non_null(w->panels);
    return memory;
}

/* out (m, n) = x times w, by one variant of the kernels. */
static void multiply(const cso_kernels *kernels, const float *x, size_t m, const cso_qgemm_weight *w, float *out) {
    const cso_kernels *before = ctx->kernels;
    size_t n = cso_tensor_rows(&w->tensor);
    const cso_qgemm_product product = {w, 0, n, out, n};
    ctx->kernels = kernels;
    cso_qgemm_rows_set(rows, x, cso_tensor_columns(&w->tensor), m, cso_tensor_columns(&w->tensor));
    assert_int_equal(cso_qgemm(ctx, rows, &product, 1, NULL), CSO_OK);
    ctx->kernels = before;
}

/* Row by row with the plain kernels: what all others must equal, bit by bit. */
static void multiply_plainly(const float *x, size_t m, const cso_qgemm_weight *w, float *out) {
    for (size_t i = 0; i < m; i++)
        multiply(cso_kernels_at(0), x + i * cso_tensor_columns(&w->tensor), 1, w, out + i * cso_tensor_rows(&w->tensor));
}

static void check_bits(const char *what, const cso_tensor *w, size_t m, const float *got, const float *expected) {
    size_t n = cso_tensor_rows(w);
    for (size_t i = 0; i < m * n; i++)
        if (memcmp(&got[i], &expected[i], sizeof *got) && !(isnan(got[i]) && isnan(expected[i])))
            fail_msg("%s, %s, %zu x %zu x %zu: y[%zu][%zu] is %.9g instead of %.9g", what, cso_dtype_get(w->dtype)->name, m, n,
                     cso_tensor_columns(w), i / n, i % n, (double)got[i], (double)expected[i]);
}

static bool is_plain(cso_dtype dtype) {
    return dtype == CSO_F32 || dtype == CSO_F16 || dtype == CSO_BF16;
}

/* x as the kernels see it: itself, or multiples of a 127th of the largest |x| of 32. */
static void seen(cso_dtype dtype, const float *x, size_t n, double *out) {
    for (size_t i = 0; is_plain(dtype) && i < n; i++)
        out[i] = (double)x[i];
    if (is_plain(dtype))
        return;
    for (size_t block = 0; block < n; block += 32) {
        float largest = 0;
        for (size_t i = block; i < block + 32; i++)
            largest = fmaxf(largest, fabsf(x[i]));
        float d = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
        for (size_t i = block; i < block + 32; i++)
            out[i] = (double)d * rint((double)(x[i] * inverse));
    }
}

static void check_sums(const cso_qgemm_weight *w, const float *x, size_t m, const float *got) {
    size_t n = cso_tensor_rows(&w->tensor), k = cso_tensor_columns(&w->tensor);
    double *values = malloc(k * sizeof *values);
    float *weights = numbers(k);
    assert_non_null(values);
    for (size_t j = 0; j < n; j++) {
        cso_kernels_at(0)->dequantize_row[w->tensor.dtype](cso_tensor_row(&w->tensor, j), weights, k);
        for (size_t i = 0; i < m; i++) {
            double sum = 0, size = 0;
            seen(w->tensor.dtype, x + i * k, k, values);
            for (size_t block = 0; block < k; block += 32) {
                double most = 0, length = 0;
                for (size_t c = block; c < block + 32 && c < k; c++) {
                    sum += values[c] * (double)weights[c];
                    most = fmax(most, fabs((double)weights[c]));
                    length += fabs(values[c]);
                }
                size += most * length;
            }
            double error = fabs((double)got[i * n + j] - sum);
            if (!(error <= 3e-7 * size))
                fail_msg("%s, %zu x %zu x %zu: y[%zu][%zu] is %.9g instead of %.9g (bound %g)",
                         cso_dtype_get(w->tensor.dtype)->name, m, n, k, i, j, (double)got[i * n + j], sum, 3e-7 * size);
        }
    }
    free(values);
    free(weights);
}

typedef struct shape {
    size_t m, n, k;
} shape;

static const shape shapes[] = {{1, 1, 32},    {1, 16, 64},   {3, 7, 96},    {5, 17, 288}, {8, 33, 576}, {16, 40, 32}, {19, 48, 96},
                               {2, 100, 768}, {33, 24, 256}, {7, 31, 1536}, {5, 9, 1},    {6, 21, 37},  {9, 5, 1000}};

static void all_variants_match_sums_in_double(void **state) {
    (void)state;
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const shape *at = &shapes[s];
            uint32_t seed = (uint32_t)(7 * s + 1);
            if (at->k % cso_dtype_get((cso_dtype)dtype)->block)
                continue;
            cso_tensor tensor = random_weight((cso_dtype)dtype, at->n, at->k, &seed);
            cso_qgemm_weight mapped = cso_qgemm_weight_of(&tensor), packed = mapped;
            float *x = numbers(at->m * at->k), *plain = numbers(at->m * at->n);
            fill_random(x, at->m * at->k, -2, 2, &seed);
            void *memory = pack(&packed);
            multiply_plainly(x, at->m, &mapped, plain);
            check_sums(&mapped, x, at->m, plain);
            const cso_kernels *kernels;
            for (size_t v = 0; (kernels = cso_kernels_at(v)); v++)
                for (int pack = 0; pack < 2; pack++) {
                    float *y = walled(at->m * at->n);
                    multiply(kernels, x, at->m, pack ? &packed : &mapped, y);
                    check_bits(kernels->name, &tensor, at->m, y, plain);
                    assert_true(walls_hold(y, at->m * at->n));
                    free_walled(y);
                }
            free(x);
            free(plain);
            free(memory);
            free_weight(&tensor);
        }
    }
}

static const float extreme_sizes[] = {1, 0, 1e30f, 1e-30f, 3e-37f, 1e-38f, 1e-44f, 3.4e38f, -1, NAN, INFINITY, -INFINITY};
enum { EXTREMES = sizeof extreme_sizes / sizeof *extreme_sizes };

/* Each row has a size of its own. */
static void fill_extreme(float *x, size_t m, size_t k, uint32_t *seed) {
    fill_random(x, m * k, -1, 1, seed);
    for (size_t i = 0; i < m; i++) {
        float size = extreme_sizes[i % EXTREMES];
        for (size_t c = 0; c < k; c++)
            if (isfinite(size))
                x[i * k + c] *= size;
        if (!isfinite(size))
            x[i * k + 32 + i % 32] = size;
    }
}

static void any_number_of_rows_gives_the_same_bits(void **state) {
    (void)state;
    enum { MOST = 33, N = 37, K = 512 };
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        uint32_t seed = 11;
        cso_tensor tensor = random_weight((cso_dtype)dtype, N, K, &seed);
        cso_qgemm_weight w = cso_qgemm_weight_of(&tensor);
        float *x = numbers(MOST * K), *turned = numbers(MOST * K), *plain = numbers(MOST * N), *y = numbers(MOST * N);
        fill_extreme(x, MOST, K, &seed);
        void *memory = pack(&w);
        multiply_plainly(x, MOST, &w, plain);
        for (size_t i = 0; i < MOST; i++) {
            float size = extreme_sizes[i % EXTREMES];
            bool plain_numbers = is_plain((cso_dtype)dtype), zero = fabsf(size) < (plain_numbers ? 1e-45f : 3.5e-37f);
            for (size_t j = 0; j < N && !(size >= 1e38f && isfinite(size)); j++) { /* the largest may overflow */
                float y0 = plain[i * N + j];
                assert_true(zero ? y0 == 0 : plain_numbers ? isfinite(y0) == isfinite(size) : isnan(y0) == !isfinite(size));
            }
            memcpy(turned + (MOST - 1 - i) * K, x + i * K, K * sizeof *x);
        }
        const cso_kernels *kernels;
        for (size_t v = 0; (kernels = cso_kernels_at(v)); v++) {
            for (size_t m = 1; m <= MOST; m++) {
                cso_pool_set_threads(ctx->pool, (int)(1 + m % 3));
                multiply(kernels, x + (MOST - m) * K, m, &w, y);
                check_bits(kernels->name, &tensor, m, y, plain + (MOST - m) * N);
            }
            multiply(kernels, turned, MOST, &w, y);
            for (size_t i = 0; i < MOST; i++)
                check_bits("turned", &tensor, 1, y + (MOST - 1 - i) * N, plain + i * N);
        }
        cso_pool_set_threads(ctx->pool, 2);
        free(memory);
        free_weight(&tensor);
        free(x);
        free(turned);
        free(plain);
        free(y);
    }
}

/* Many rows and columns, with leading dimensions, in one call with other weights: as one by one. */
static void products_of_one_call_are_independent(void **state) {
    (void)state;
    enum { M = 600, K = 256, LDX = K + 5, LD = 700 };
    static const struct {
        cso_dtype dtype;
        size_t n;
    } weights[] = {{CSO_Q4_1, 250}, {CSO_Q8_0, 1}, {CSO_BF16, 50}, {CSO_Q6_K, 150}, {CSO_Q4_K, 96}, {CSO_F32, 64}, {CSO_Q5_0, 33}};
    enum { COUNT = sizeof weights / sizeof *weights };
    cso_tensor tensors[COUNT];
    cso_qgemm_weight w[COUNT];
    cso_qgemm_product products[COUNT];
    uint32_t seed = 3;
    float *x = numbers(M * LDX), *dense = numbers(M * K), *y = walled(M * LD);
    size_t at = 0;
    fill_random(x, M * LDX, -1, 1, &seed);
    for (size_t i = 0; i < M; i++)
        memcpy(dense + i * K, x + i * LDX, K * sizeof *x);
    for (int i = 0; i < COUNT; i++) {
        tensors[i] = random_weight(weights[i].dtype, weights[i].n, K, &seed);
        tensors[i].interleaved_head_dim = weights[i].n == 96 || weights[i].n == 64 ? 32 : 0;
        w[i] = cso_qgemm_weight_of(&tensors[i]);
        products[i] = (cso_qgemm_product){&w[i], 0, weights[i].n, y + at, LD};
        at += weights[i].n + 2;
    }
    void *memory;
    assert_int_equal(cso_qgemm_pack(ctx, w + 1, 4, &memory, NULL), CSO_OK); /* the first and the last two stay as they are */
    cso_qgemm_rows_set(rows, x, LDX, M, K);
    assert_int_equal(cso_qgemm(ctx, rows, products, COUNT, NULL), CSO_OK);
    assert_true(walls_hold(y, M * LD));
    for (int i = 0; i < COUNT; i++) {
        size_t n = weights[i].n;
        float *alone = numbers(M * n), *part = numbers(n);
        multiply(ctx->kernels, dense, M, &w[i], alone);
        for (size_t r = 0; r < M; r++) {
            check_bits("alone", &tensors[i], 1, products[i].out + r * LD, alone + r * n);
            assert_true(isnan(products[i].out[r * LD + n])); /* between the products nothing was written */
        }
        if (n > 32) { /* a part of the weight's rows */
            const cso_qgemm_product some = {&w[i], 32, n - 32, part, n - 32};
            cso_qgemm_rows_set(rows, x, LDX, 1, K);
            assert_int_equal(cso_qgemm(ctx, rows, &some, 1, NULL), CSO_OK);
            assert_memory_equal(part, alone + 32, (n - 32) * sizeof *part);
        }
        free(alone);
        free(part);
        free_weight(&tensors[i]);
    }
    free(memory);
    free(x);
    free(dense);
    free_walled(y);
}

static size_t allocations_left;
static bool fail_later(size_t bytes) {
    (void)bytes;
    return allocations_left && allocations_left--;
}

static void lack_of_memory_is_an_error(void **state) {
    (void)state;
    uint32_t seed = 5;
    cso_tensor tensor = random_weight(CSO_Q4_1, 20, 64, &seed);
    float x[3 * 64] = {1}, y[3 * 20];
    bool done = false;
    for (size_t n = 0; !done; n++) {
        cso_error err;
        cso_qgemm_rows *fresh = NULL;
        void *memory = NULL;
        cso_qgemm_weight w = cso_qgemm_weight_of(&tensor);
        const cso_qgemm_product product = {&w, 0, 20, y, 20};
        allocations_left = n;
        cso_memory_set_hook(fail_later);
        cso_status status = cso_qgemm_rows_create(&fresh, &err);
        if (status == CSO_OK) {
            cso_qgemm_rows_set(fresh, x, 64, 3, 64);
            status = cso_qgemm(ctx, fresh, &product, 1, &err);
        }
        if (status == CSO_OK)
            status = cso_qgemm_pack(ctx, &w, 1, &memory, &err);
        cso_memory_set_hook(NULL);
        assert_true(status == CSO_OK || status == CSO_ERR_SYSTEM);
        done = status == CSO_OK;
        assert_true(n < 20);
        cso_qgemm_rows_free(fresh);
        free(memory);
    }
    free_weight(&tensor);
}

static void nothing_to_multiply(void **state) {
    (void)state;
    uint32_t seed = 5;
    cso_tensor tensor = random_weight(CSO_Q8_0, 6, 32, &seed);
    cso_qgemm_weight w = cso_qgemm_weight_of(&tensor);
    float x[32] = {1}, y[6] = {7, 7, 7, 7, 7, 7};
    const cso_qgemm_product none = {&w, 0, 0, y, 6}, product = {&w, 0, 6, y, 6};
    cso_qgemm_rows_set(rows, x, 32, 0, 32);
    assert_int_equal(cso_qgemm(ctx, rows, &product, 1, NULL), CSO_OK);
    cso_qgemm_rows_set(rows, x, 32, 1, 32);
    assert_int_equal(cso_qgemm(ctx, rows, &none, 1, NULL), CSO_OK);
    assert_int_equal(cso_qgemm(ctx, rows, NULL, 0, NULL), CSO_OK);
    for (int i = 0; i < 6; i++)
        assert_true(y[i] == 7);
    free_weight(&tensor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants_match_sums_in_double),
        cmocka_unit_test(any_number_of_rows_gives_the_same_bits),
        cmocka_unit_test(products_of_one_call_are_independent),
        cmocka_unit_test(lack_of_memory_is_an_error),
        cmocka_unit_test(nothing_to_multiply),
    };
    return cmocka_run_group_tests_name("qgemm", tests, open_context, close_context);
}
