/* test_dtype.c - the table of stored types, single conversions, and every dequantizer. */
#include "../golden.h"
#include "kernel_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void table_is_consistent(void **state) {
    (void)state;
    for (int i = 0; i < CSO_DTYPE_COUNT; i++) {
        const cso_dtype_info *info = cso_dtype_get((cso_dtype)i);
        cso_dtype found;
        assert_true(info->name && info->block && info->bytes);
        assert_true(cso_dtype_from_ggml(info->ggml, &found) && found == (cso_dtype)i);
        assert_int_equal(info->safetensors != NULL, i <= CSO_BF16);
        if (info->safetensors)
            assert_true(cso_dtype_from_safetensors(info->safetensors, &found) && found == (cso_dtype)i);
    }
    cso_dtype found;
    assert_false(cso_dtype_from_ggml(9, &found)); /* Q8_1 is never stored */
    assert_false(cso_dtype_from_ggml(UINT32_MAX, &found));
    assert_false(cso_dtype_from_safetensors("bf16", &found));
    assert_false(cso_dtype_from_safetensors("I64", &found));
}

static void row_bytes_are_checked(void **state) {
    (void)state;
    size_t bytes;
    assert_true(cso_dtype_row_bytes(CSO_Q4_K, 512, &bytes) && bytes == 288);
    assert_true(cso_dtype_row_bytes(CSO_Q8_0, 0, &bytes) && bytes == 0);
    assert_false(cso_dtype_row_bytes(CSO_Q4_K, 500, &bytes));
    assert_false(cso_dtype_row_bytes(CSO_F32, SIZE_MAX / 2, &bytes));
    assert_false(cso_dtype_row_bytes(CSO_Q8_0, SIZE_MAX - 31, &bytes));
}

static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float value = cso_f16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00) {
            assert_true(isnan(value) && isnan(cso_f16_to_f32(cso_f32_to_f16(value))));
            continue;
        }
        /* An independent reading of the format. */
        double expected = ldexp((h & 0x3ff) | (h & 0x7c00 ? 0x400 : 0), (int)((h & 0x7c00) ? h >> 10 & 31 : 1) - 25);
        if ((h & 0x7fff) != 0x7c00)
            assert_true(value == (h & 0x8000 ? -expected : expected));
        assert_int_equal(cso_f32_to_f16(value), h);
        if ((h & 0x7fff) >= 0x7bff)
            continue;
        /* The middle between two neighbours goes to the even one, a little beside it to the nearer. */
        float next = cso_f16_to_f32((uint16_t)(h + 1)), middle = (float)(((double)value + next) / 2);
        assert_int_equal(cso_f32_to_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(cso_f32_to_f16(nextafterf(middle, value)), h);
        assert_int_equal(cso_f32_to_f16(nextafterf(middle, next)), h + 1);
    }
    assert_int_equal(cso_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(cso_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(cso_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(cso_f32_to_f16(1e-10f), 0);
}

static void bf16_rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float value = cso_bf16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > 0x7f80) {
            assert_true(isnan(value) && isnan(cso_bf16_to_f32(cso_f32_to_bf16(value))));
            continue;
        }
        assert_int_equal(cso_f32_to_bf16(value), h);
        if ((h & 0x7fff) >= 0x7f7f)
            continue;
        float next = cso_bf16_to_f32((uint16_t)(h + 1)), middle = (float)(((double)value + next) / 2);
        assert_int_equal(cso_f32_to_bf16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(cso_f32_to_bf16(nextafterf(middle, value)), h);
        assert_int_equal(cso_f32_to_bf16(nextafterf(middle, next)), h + 1);
    }
    uint32_t bits = 0x7f800001; /* a NaN whose upper half alone would be infinity */
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(isnan(cso_bf16_to_f32(cso_f32_to_bf16(nan))));
    assert_int_equal(cso_f32_to_bf16(3.4e38f), 0x7f80);
}

/* Every variant gives the bits of gguf-py and of ggml. */
static void dequantizers_match_the_goldens(void **state) {
    (void)state;
    for (int dtype = CSO_F16; dtype < CSO_DTYPE_COUNT; dtype++) {
        const char *name = cso_dtype_get((cso_dtype)dtype)->name, *raw_type;
        const char *path = golden_path("dequant/%s.safetensors", name);
        assert_non_null(path);
        cso_safetensors *file = golden_safetensors(path);
        const cso_tensor *expected = cso_safetensors_find(file, "f32");
        const void *raw;
        size_t size, row_bytes;
        cso_error err;
        assert_int_equal(cso_safetensors_raw(file, "raw", &raw_type, &raw, &size, &err), CSO_OK);
        assert_true(expected && cso_tensor_rows(expected) == 8 && cso_tensor_columns(expected) == 512);
        assert_true(cso_dtype_row_bytes((cso_dtype)dtype, 512, &row_bytes));
        assert_int_equal(size, 8 * row_bytes);
        for (size_t v = 0; cso_kernels_at(v); v++) {
            const cso_kernels *table = cso_kernels_at(v);
            for (size_t row = 0; row < 8; row++) {
                float out[512];
                table->dequantize_row[dtype]((const uint8_t *)raw + row * row_bytes, out, 512);
                if (memcmp(out, cso_tensor_row(expected, row), sizeof out))
                    fail_msg("%s, %s: row %zu differs", name, cso_kernels_at(v)->name, row);
            }
        }
        cso_safetensors_close(file);
    }
}

/* Every variant gives the bits of the plain one, on any bytes, lengths and alignments, and stays within its arrays. */
static void variants_agree_on_any_bytes(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        const cso_dtype_info *info = cso_dtype_get((cso_dtype)dtype);
        for (size_t blocks = 0; blocks < 40; blocks++) {
            if (info->block == 256 && blocks > 5)
                break;
            size_t columns = blocks * info->block, bytes = blocks * info->bytes, offset = blocks % 4;
            uint8_t *data = malloc(offset + bytes + 1);
            assert_non_null(data);
            for (size_t i = 0; i < offset + bytes; i++)
                data[i] = (uint8_t)random_bits(&seed);
            /* The end of the allocation is the end of the row. */
            uint8_t *exact = realloc(data, offset + bytes ? offset + bytes : 1);
            assert_non_null(exact);
            float *expected = walled(columns);
            cso_kernels_at(0)->dequantize_row[dtype](exact + offset, expected, columns);
            assert_true(walls_hold(expected, columns));
            for (size_t v = 1; cso_kernels_at(v); v++) {
                const cso_kernels *table = cso_kernels_at(v);
                float *out = walled(columns);
                table->dequantize_row[dtype](exact + offset, out, columns);
                assert_true(walls_hold(out, columns));
                for (size_t i = 0; i < columns; i++) {
                    if (memcmp(&out[i], &expected[i], sizeof *out) && !(isnan(out[i]) && isnan(expected[i])))
                        fail_msg("%s, %s, %zu columns: weight %zu is %a instead of %a", info->name, cso_kernels_at(v)->name,
                                 columns, i, (double)out[i], (double)expected[i]);
                }
                free_walled(out);
            }
            free_walled(expected);
            free(exact);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(row_bytes_are_checked),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(dequantizers_match_the_goldens),
        cmocka_unit_test(variants_agree_on_any_bytes),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
