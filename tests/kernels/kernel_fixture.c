/* kernel_fixture.c - random weights and guarded buffers for the tests of kernels. */
#include "kernel_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint32_t random_bits(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    uint32_t x = *seed;
    x ^= x >> 16;
    x *= 0x7feb352du;
    return x ^ x >> 15;
}

float random_float(uint32_t *seed, float low, float high) {
    return low + (high - low) * ((float)(random_bits(seed) >> 8) * 0x1p-24f);
}

void fill_random(float *x, size_t n, float low, float high, uint32_t *seed) {
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(seed, low, high);
}

/* Where the halves of a block are; -1 ends the list. */
static const int half_places[CSO_DTYPE_COUNT][3] = {
    [CSO_F32] = {-1},        [CSO_F16] = {0, -1},     [CSO_BF16] = {-1},      [CSO_Q4_0] = {0, -1},      [CSO_Q4_1] = {0, 2, -1},
    [CSO_Q5_0] = {0, -1},    [CSO_Q5_1] = {0, 2, -1}, [CSO_Q8_0] = {0, -1},   [CSO_Q2_K] = {80, 82, -1}, [CSO_Q3_K] = {108, -1},
    [CSO_Q4_K] = {0, 2, -1}, [CSO_Q5_K] = {0, 2, -1}, [CSO_Q6_K] = {208, -1}, [CSO_IQ4_NL] = {0, -1},    [CSO_IQ4_XS] = {0, -1},
};

cso_tensor random_weight(cso_dtype dtype, size_t rows, size_t columns, uint32_t *seed) {
    const cso_dtype_info *info = cso_dtype_get(dtype);
    cso_tensor t = {.name = "w", .dtype = dtype, .n_dims = 2, .shape = {rows, columns}};
    assert_true(cso_dtype_row_bytes(dtype, columns, &t.row_bytes));
    t.size = rows * t.row_bytes;
    uint8_t *bytes = malloc(t.size ? t.size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < t.size; i++)
        bytes[i] = (uint8_t)random_bits(seed);
    for (size_t i = 0; i < t.size; i += info->bytes) {
        float value = random_float(seed, -1, 1);
        uint16_t half = cso_f32_to_bf16(value);
        if (dtype == CSO_F32)
            memcpy(bytes + i, &value, sizeof value);
        if (dtype == CSO_BF16)
            memcpy(bytes + i, &half, sizeof half);
        for (const int *place = half_places[dtype]; *place >= 0; place++) {
            half = cso_f32_to_f16(random_float(seed, -1, 1));
            memcpy(bytes + i + *place, &half, sizeof half);
        }
    }
    t.data = bytes;
    return t;
}

void free_weight(cso_tensor *w) {
    free((void *)(uintptr_t)w->data);
    w->data = NULL;
}

enum { WALL = 32 };
static const float brick = 12345.678f;

float *walled(size_t n) {
    float *x = malloc((n + 2 * WALL) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n + 2 * WALL; i++)
        x[i] = i < WALL || i >= n + WALL ? brick : NAN;
    return x + WALL;
}

bool walls_hold(const float *x, size_t n) {
    for (size_t i = 0; i < WALL; i++) {
        if (memcmp(&x[n + i], &brick, sizeof brick) || memcmp(x - WALL + i, &brick, sizeof brick))
            return false;
    }
    return true;
}

void free_walled(float *x) {
    free(x - WALL);
}

void check_close(const char *what, size_t n, size_t i, double got, double expected, double relative, double absolute) {
    if (isnan(expected) ? isnan(got) : got == expected)
        return;
    if (!(fabs(got - expected) <= absolute + relative * fabs(expected)))
        fail_msg("%s, n = %zu, index %zu: %.9g instead of %.9g", what, n, i, got, expected);
}
