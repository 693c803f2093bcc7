/* test_quantize.c - rows to stored types: the bits of GGML's reference where they are promised, its errors elsewhere, the same bits in
 * every variant and cut, and what numbers can be. */
#include "base/digest.h"
#include "kernel_fixture.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 40, COLUMNS = 1280 /* a block of 256 more than what is quantized at once */, ALL = ROWS * COLUMNS };

/* Nearly normal numbers by additions and multiplications alone, so the same everywhere; rows differ in size, columns in importance. */
static void make_rows(float *x, float *importance) {
    uint32_t seed = 20;
    for (size_t i = 0; i < ALL; i++) {
        float sum = 0;
        for (int k = 0; k < 12; k++)
            sum += random_float(&seed, -0.5f, 0.5f);
        x[i] = sum * 0.02f * (1 + (float)(i / COLUMNS) / 8);
    }
    for (size_t i = 0; i < COLUMNS; i++)
        importance[i] = random_float(&seed, 0.01f, 1) * (i % 97 == 0 ? 50.0f : 1.0f);
}

/* XXH3-128 of make_rows' rows as ggml_quantize_chunk (ggml of llama.cpp b11434) writes them without importances, and the error of its
 * bytes: the root of the mean square, weighted by importance, of what is wrong, as a part of that of x. */
static const struct {
    cso_dtype dtype;
    const char *digest; /* NULL: only the error is promised */
    double error, error_weighted /* with importances */;
} ggml[] = {
    {CSO_F16, "f82b659e02b8f90ba79f17bb2e8c96db", 0.000207356464, 0.000207046702},
    {CSO_BF16, "3282a24a62fddbbee2d657e58f028c3b", 0.00166203986, 0.00166575117},
    {CSO_Q4_0, "6a86e4f1ff63b56ced2c7680d73d91ee", 0.0837320201, 0.0708252086},
    {CSO_Q4_1, "e0fa5d56a8372f69a1ff0320b8dcd9fb", 0.0773095665, 0.0570962863},
    {CSO_Q5_0, "fce96161cf6aae5ce0e7d4ba028b73f9", 0.0419791197, 0.0352823632},
    {CSO_Q5_1, "51665448732402e0e03454c01ddd2c99", 0.0373413803, 0.0276156136},
    {CSO_Q8_0, "2744af8641a427aa3a85f884b21ecb24", 0.00521738319, 0.00533405382},
    {CSO_Q2_K, "2bdb03fda73d1598d39f979608ddaab9", 0.291313299, 0.214547271},
    {CSO_Q3_K, NULL, 0.148091572, 0.125486857},
    {CSO_Q4_K, "54380e359cd8a568e5510b98d5195a98", 0.0703588902, 0.0581737619},
    {CSO_Q5_K, "4216b03243a147f5cdae0918b1e8517f", 0.0356780431, 0.0297553024},
    {CSO_Q6_K, NULL, 0.0175135986, 0.0151352016},
};
enum { TYPES = sizeof ggml / sizeof *ggml };

typedef struct rows {
    float x[ALL], importance[COLUMNS], back[ALL];
    uint8_t bytes[ALL * 4], others[ALL * 4];
} rows;

static int make(void **state) {
    rows *r = malloc(sizeof *r);
    if (!r)
        return -1;
    make_rows(r->x, r->importance);
    *state = r;
    return 0;
}

static int drop(void **state) {
    free(*state);
    return 0;
}

static size_t quantize(const cso_kernels *kernels, cso_dtype dtype, const rows *r, bool weighted, uint8_t *bytes) {
    size_t row;
    assert_true(cso_dtype_row_bytes(dtype, COLUMNS, &row));
    for (size_t i = 0; i < ROWS; i++)
        kernels->quantize[dtype](r->x + i * COLUMNS, weighted ? r->importance : NULL, bytes + i * row, COLUMNS);
    return row * ROWS;
}

static double error_of(rows *r, cso_dtype dtype, const uint8_t *bytes, bool weighted) {
    double wrong = 0, all = 0;
    cso_dequantize_row(dtype, bytes, r->back, ALL);
    for (size_t i = 0; i < ALL; i++) {
        double w = weighted ? (double)r->importance[i % COLUMNS] : 1, difference = (double)r->back[i] - (double)r->x[i];
        wrong += w * difference * difference;
        all += w * (double)r->x[i] * (double)r->x[i];
    }
    return sqrt(wrong / all);
}

static void types_that_are_written(void **state) {
    (void)state;
    for (int i = 0; i < CSO_DTYPE_COUNT; i++)
        assert_int_equal(cso_dtype_is_written((cso_dtype)i), i != CSO_IQ4_NL && i != CSO_IQ4_XS);
}

static void bits_of_ggml(void **state) {
    rows *r = *state;
    for (size_t i = 0; i < TYPES; i++) {
        char hex[CSO_DIGEST_HEX];
        cso_digest_bytes(r->bytes, quantize(cso_kernels_choose(NULL), ggml[i].dtype, r, false, r->bytes), hex);
        if (ggml[i].digest && strcmp(hex, ggml[i].digest))
            fail_msg("%s: the bytes are not those of ggml", cso_dtype_get(ggml[i].dtype)->name);
    }
}

static void errors_are_at_most_those_of_ggml(void **state) {
    rows *r = *state;
    for (size_t i = 0; i < TYPES; i++)
        for (int weighted = 0; weighted < 2; weighted++) {
            cso_dtype dtype = ggml[i].dtype;
            double most = weighted ? ggml[i].error_weighted : ggml[i].error;
            quantize(cso_kernels_choose(NULL), dtype, r, weighted, r->bytes);
            double error = error_of(r, dtype, r->bytes, weighted);
            if (!(error <= most * 1.005)) /* with importances GGML searches the scales of scales a little longer */
                fail_msg("%s%s: the error is %.6f, that of ggml %.6f", cso_dtype_get(dtype)->name, weighted ? ", weighted" : "",
                         error, most);
        }
}

static void variants_give_the_same_bits(void **state) {
    rows *r = *state;
    for (int d = 0; d < CSO_DTYPE_COUNT; d++)
        for (int weighted = 0; cso_dtype_is_written((cso_dtype)d) && weighted < 2; weighted++) {
            size_t size = quantize(cso_kernels_at(0), (cso_dtype)d, r, weighted, r->bytes);
            for (size_t v = 1; cso_kernels_at(v); v++) {
                quantize(cso_kernels_at(v), (cso_dtype)d, r, weighted, r->others);
                if (memcmp(r->bytes, r->others, size))
                    fail_msg("%s with %s: other bits than in plain C", cso_dtype_get((cso_dtype)d)->name, cso_kernels_at(v)->name);
            }
        }
}

/* Blocks do not depend on those beside them; the simple types with importances take the row's mean square. */
static void blocks_are_alone(void **state) {
    rows *r = *state;
    for (int d = 0; d < CSO_DTYPE_COUNT; d++) {
        if (!cso_dtype_is_written((cso_dtype)d))
            continue;
        const cso_dtype_info *info = cso_dtype_get((cso_dtype)d);
        size_t bytes = 256 / info->block * info->bytes;
        cso_quantize_row((cso_dtype)d, r->x, NULL, r->bytes, COLUMNS);
        for (size_t i = 0; i < COLUMNS / 256; i++) {
            cso_quantize_row((cso_dtype)d, r->x + 256 * i, NULL, r->others, 256);
            assert_memory_equal(r->others, r->bytes + bytes * i, bytes);
        }
    }
}

/* What is written can be read: finite, and no further from x than the largest |x| of the block. */
static void check_numbers(rows *r, const char *what, const float *x, size_t columns) {
    for (int d = 0; d < CSO_DTYPE_COUNT; d++) {
        if (!cso_dtype_is_written((cso_dtype)d))
            continue;
        for (int weighted = 0; weighted < 2; weighted++) {
            float largest = 0;
            cso_quantize_row((cso_dtype)d, x, weighted ? r->importance : NULL, r->bytes, columns);
            cso_dequantize_row((cso_dtype)d, r->bytes, r->back, columns);
            for (size_t i = 0; i < columns; i++)
                largest = fmaxf(largest, fabsf(x[i]));
            for (size_t i = 0; i < columns; i++)
                if (!(fabs((double)r->back[i] - (double)x[i]) <= (double)largest * 1.01))
                    fail_msg("%s, %s%s: %g became %g", what, cso_dtype_get((cso_dtype)d)->name, weighted ? ", weighted" : "",
                             (double)x[i], (double)r->back[i]);
        }
    }
}

static void unusual_numbers(void **state) {
    rows *r = *state;
    float x[512];
    uint32_t seed = 3;
    static const float sizes[] = {1e-38f, 1e-20f, 1e-9f, 1e-3f, 1, 1000, 30000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        fill_random(x, 512, -sizes[s], sizes[s], &seed);
        check_numbers(r, "random", x, 512);
        fill_random(x, 512, sizes[s] / 2, sizes[s], &seed);
        check_numbers(r, "positive", x, 512);
        fill_random(x, 512, -sizes[s], -sizes[s] / 2, &seed);
        check_numbers(r, "negative", x, 512);
        for (size_t i = 0; i < 512; i++)
            x[i] = sizes[s];
        check_numbers(r, "constant", x, 512);
        for (size_t i = 0; i < 512; i++)
            x[i] = i % 100 == 7 ? -sizes[s] : 0;
        check_numbers(r, "outliers", x, 512);
    }
    memset(x, 0, sizeof x);
    check_numbers(r, "zeros", x, 512);
    memset(r->importance, 0, sizeof r->importance);
    fill_random(x, 512, -1, 1, &seed);
    check_numbers(r, "no importance", x, 512);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_that_are_written),
        cmocka_unit_test(bits_of_ggml),
        cmocka_unit_test(errors_are_at_most_those_of_ggml),
        cmocka_unit_test(variants_give_the_same_bits),
        cmocka_unit_test(blocks_are_alone),
        cmocka_unit_test(unusual_numbers),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
