/* test_gguf.c - reading valid GGUF files, and surviving damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reads(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        bytes b = small_file(version);
        cso_gguf *g;
        cso_error err = {0};
        assert_int_equal(open_bytes(&g, &b, &err), CSO_OK);
        assert_int_equal(cso_gguf_tensor_count(g), 3);
        assert_int_equal(cso_gguf_value_count(g), 9);
        assert_string_equal(cso_gguf_path(g), "t.gguf");
        const cso_tensor *t = cso_gguf_tensor(g, "second");
        assert_ptr_equal(t, cso_gguf_tensor_at(g, 0));
        assert_string_equal(t->name, "second");
        assert_int_equal(t->dtype, CSO_Q8_0);
        assert_int_equal(t->n_dims, 2);
        assert_int_equal(t->shape[0], 2); /* slowest first */
        assert_int_equal(t->shape[1], 32);
        assert_int_equal(t->row_bytes, 34);
        assert_int_equal(t->size, 68);
        assert_ptr_equal((const uint8_t *)t->data + 68, b.data + b.size);
        t = cso_gguf_tensor(g, "first");
        float x;
        memcpy(&x, (const uint8_t *)t->data + 28, 4);
        assert_true(x == 7.0f);
        t = cso_gguf_tensor(g, "empty");
        assert_int_equal(t->size, 0);
        assert_int_equal(t->shape[0], 0);
        assert_null(cso_gguf_tensor(g, "none"));
        cso_gguf_close(g);
        bytes_free(&b);
    }
    cso_gguf_close(NULL);
}

static void typed_reads(void **state) {
    (void)state;
    bytes b = small_file(3);
    cso_gguf *g;
    cso_error err = {0};
    assert_int_equal(open_bytes(&g, &b, &err), CSO_OK);
    size_t n = 99, size;
    double d;
    bool flag = false, found;
    const char *text;
    assert_int_equal(cso_gguf_get_size(g, "llama.block_count", &n, NULL, &err), CSO_OK);
    assert_int_equal(n, 7);
    assert_int_equal(cso_gguf_get_size(g, "a.large", &n, NULL, &err), CSO_OK);
    assert_int_equal(n, SIZE_MAX);
    assert_int_equal(cso_gguf_get_size(g, "missing", &n, &found, &err), CSO_OK);
    assert_false(found);
    assert_int_equal(n, SIZE_MAX);
    assert_int_equal(cso_gguf_get_size(g, "missing", &n, NULL, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "t.gguf: key missing is missing");
    assert_int_equal(cso_gguf_get_size(g, "a.negative", &n, &found, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "t.gguf: key a.negative: must be >= 0, got -2");
    assert_int_equal(cso_gguf_get_size(g, "llama.rope.freq_base", &n, NULL, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "t.gguf: key llama.rope.freq_base: is of type float32 (expected an integer)");
    assert_int_equal(cso_gguf_get_size(g, "a.bool", &n, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_gguf_get_float(g, "llama.rope.freq_base", &d, &found, &err), CSO_OK);
    assert_true(found && d == 500000.0);
    assert_int_equal(cso_gguf_get_float(g, "a.negative", &d, NULL, &err), CSO_OK);
    assert_true(d == -2.0);
    assert_int_equal(cso_gguf_get_float(g, "tokens", &d, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_gguf_get_bool(g, "a.bool", &flag, NULL, &err), CSO_OK);
    assert_true(flag);
    assert_int_equal(cso_gguf_get_bool(g, "a.negative", &flag, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_gguf_get_string(g, "general.architecture", &text, &size, NULL, &err), CSO_OK);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "llama", 5);
    assert_int_equal(cso_gguf_get_string(g, "a.bool", &text, &size, NULL, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "key a.bool: is of type bool (expected string)"));
    cso_gguf_close(g);
    bytes_free(&b);
}

static void array_reads(void **state) {
    (void)state;
    bytes b = small_file(3);
    cso_gguf *g;
    cso_error err = {0};
    assert_int_equal(open_bytes(&g, &b, &err), CSO_OK);
    size_t size, cursor = 0;
    bool found;
    const char *text;
    const cso_gguf_value *array;
    assert_int_equal(cso_gguf_get_array(g, "types", true, &array, NULL, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "is an array of int32 (expected of string)"));
    assert_int_equal(cso_gguf_get_array(g, "a.bool", true, &array, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_gguf_get_array(g, "tokens", true, &array, NULL, &err), CSO_OK);
    assert_int_equal(array->count, 3);
    static const char *const expected[] = {"a", "", "b\0c"};
    static const size_t sizes[] = {1, 0, 3};
    for (int i = 0; i < 3; i++) {
        cso_gguf_next_string(array, &cursor, &text, &size);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(text, expected[i], size);
    }
    assert_int_equal(cursor, array->size);
    assert_int_equal(cso_gguf_get_array(g, "types", false, &array, &found, &err), CSO_OK);
    assert_int_equal(cso_gguf_array_int(array, 0), 5);
    assert_int_equal(cso_gguf_array_int(array, 1), -1);
    assert_true(cso_gguf_array_float(array, 1) == -1.0);
    assert_int_equal(cso_gguf_get_array(g, "none", false, &array, NULL, &err), CSO_OK);
    assert_int_equal(array->count, 0);
    cso_gguf_close(g);
    bytes_free(&b);
}

static void array_items_of_any_width(void **state) {
    (void)state;
    static const struct {
        cso_gguf_type type;
        uint64_t bits;
        int64_t integer;
        double number;
    } cases[] = {
        {CSO_GGUF_UINT8, 0xFF, 255, 255},
        {CSO_GGUF_INT8, 0xFF, -1, -1},
        {CSO_GGUF_UINT16, 0xFFFF, 65535, 65535},
        {CSO_GGUF_INT16, 0x8000, -32768, -32768},
        {CSO_GGUF_UINT32, 0xFFFFFFFF, 4294967295, 4294967295.0},
        {CSO_GGUF_INT32, 0x80000000, INT32_MIN, INT32_MIN},
        {CSO_GGUF_FLOAT32, 0xC0200000, -2, -2.5},
        {CSO_GGUF_BOOL, 1, 1, 1},
        {CSO_GGUF_UINT64, UINT64_MAX, INT64_MAX, 0x1p64},
        {CSO_GGUF_INT64, UINT64_MAX, -1, -1},
        {CSO_GGUF_FLOAT64, 0x7FF0000000000000, 0, INFINITY},
    };
    static const size_t widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes b = {0};
        gguf_header(&b, 3, 0, 1);
        gguf_key_array(&b, "a", cases[i].type, 2);
        bytes_zeros(&b, widths[cases[i].type]);
        bytes_add(&b, &cases[i].bits, widths[cases[i].type]);
        cso_gguf *g;
        assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
        const cso_gguf_value *array = cso_gguf_find(g, "a");
        assert_int_equal(cso_gguf_array_int(array, 0), 0);
        assert_int_equal(cso_gguf_array_int(array, 1), cases[i].integer);
        assert_true(cso_gguf_array_float(array, 1) == cases[i].number);
        cso_gguf_close(g);
        bytes_free(&b);
    }
}

static void every_prefix_is_refused(void **state) {
    (void)state;
    bytes b = small_file(3);
    for (size_t size = 0; size < b.size; size++) {
        cso_gguf *g;
        cso_error err = {0};
        uint8_t *data = bytes_exact(b.data, size);
        assert_int_equal(cso_gguf_open_memory(&g, data, size, "t.gguf", &err), CSO_ERR_INPUT);
        assert_true(err.message[0]);
        free(data);
    }
    bytes_free(&b);
}

/* A changed byte never crashes the reader, and an accepted file can be read to the end. */
static void every_changed_byte_is_survived(void **state) {
    (void)state;
    bytes b = small_file(3);
    static const uint8_t flips[] = {0x01, 0x80, 0xFF, 0x20};
    for (size_t at = 0; at < b.size; at++) {
        for (size_t f = 0; f < sizeof flips; f++) {
            uint8_t *data = bytes_exact(b.data, b.size);
            data[at] ^= flips[f];
            cso_gguf *g;
            if (cso_gguf_open_memory(&g, data, b.size, "t.gguf", NULL) == CSO_OK) {
                unsigned sum = 0;
                for (size_t i = 0; i < cso_gguf_tensor_count(g); i++)
                    for (size_t k = 0; k < cso_gguf_tensor_at(g, i)->size; k++)
                        sum += ((const uint8_t *)cso_gguf_tensor_at(g, i)->data)[k];
                assert_true(sum < 100 * 255 * 256);
                cso_gguf_close(g);
            }
            free(data);
        }
    }
    bytes_free(&b);
}

static void many_keys_and_tensors_fast(void **state) {
    (void)state;
    enum { MANY = 100000 };
    bytes b = {0};
    char name[32];
    gguf_header(&b, 3, MANY, MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "key.%d", i);
        gguf_key_u32(&b, name, (uint32_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        gguf_tensor(&b, name, 1, (uint64_t[]){8}, F32, 32 * (uint64_t)i);
    }
    gguf_pad(&b, 32);
    bytes_zeros(&b, 32 * MANY);
    double begin = work_seconds();
    cso_gguf *g;
    assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "key.%d", i);
        size_t number;
        assert_int_equal(cso_gguf_get_size(g, name, &number, NULL, NULL), CSO_OK);
        assert_int_equal(number, i);
        snprintf(name, sizeof name, "tensor.%d", i);
        assert_ptr_equal(cso_gguf_tensor(g, name), cso_gguf_tensor_at(g, (size_t)i));
    }
    cso_gguf_close(g);
    assert_true(work_seconds() - begin < 1.0);
    bytes_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(typed_reads),
        cmocka_unit_test(array_reads),
        cmocka_unit_test(array_items_of_any_width),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(many_keys_and_tensors_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
