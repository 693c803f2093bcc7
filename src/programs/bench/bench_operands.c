/* bench_operands.c - matrices to multiply. */
#include "bench.h"

#include "base/memory.h"

#include <stdlib.h>

static uint32_t next(uint32_t *state) {
    return *state = *state * 1664525u + 1013904223u;
}

cso_status bench_floats(float **x, size_t n, cso_error *err) {
    uint32_t state = 1;
    *x = cso_aligned_alloc(n, sizeof **x);
    if (!*x)
        return cso_fail_memory(err, "a matrix");
    for (size_t i = 0; i < n; i++)
        (*x)[i] = (float)(next(&state) >> 8) * 0x1p-24f - 0.5f;
    return CSO_OK;
}

/* Plain types hold numbers; blocks hold random bytes below 0x3c, so that as the high byte of a half each stays below 1. */
cso_status bench_weight(cso_tensor *w, cso_dtype dtype, size_t rows, size_t columns, cso_error *err) {
    *w = (cso_tensor){.name = "w", .dtype = dtype, .n_dims = 2, .shape = {rows, columns}};
    if (!cso_dtype_row_bytes(dtype, columns, &w->row_bytes))
        return CSO_OK;
    w->size = rows * w->row_bytes;
    if (dtype == CSO_F32 || dtype == CSO_BF16) {
        float *values;
        CSO_TRY(bench_floats(&values, rows * columns, err));
        uint16_t *halves = (uint16_t *)(void *)values;
        for (size_t i = 0; dtype == CSO_BF16 && i < rows * columns; i++)
            halves[i] = cso_f32_to_bf16(values[i]);
        w->data = values;
        return CSO_OK;
    }
    uint8_t *bytes = cso_aligned_alloc(w->size, 1);
    uint32_t state = 7;
    if (!bytes)
        return cso_fail_memory(err, "a matrix");
    for (size_t i = 0; i < w->size; i++)
        bytes[i] = (uint8_t)((next(&state) >> 24) & 0x3b);
    w->data = bytes;
    return CSO_OK;
}

void bench_weight_free(cso_tensor *w) {
    free((void *)(uintptr_t)w->data);
    w->data = NULL;
}
