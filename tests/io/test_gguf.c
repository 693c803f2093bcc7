/* test_gguf.c - what a GGUF reader must take and what it must refuse, each file made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "io/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { F32 = 0, F16 = 1, Q8_0 = 8, I32 = 26, Q4_K = 12 };

static cso_status open_bytes(cso_gguf **gguf, const bytes *b, cso_error *err) {
    return cso_gguf_open_memory(gguf, b->data, b->size, "t.gguf", err);
}

/* Expects CSO_ERR_INPUT and a message that holds `part`; frees b. */
static void assert_refused(bytes *b, const char *part) {
    cso_gguf *gguf;
    cso_error err = {0};
    uint8_t *data = bytes_exact(b->data, b->size);
    cso_status status = cso_gguf_open_memory(&gguf, data, b->size, "t.gguf", &err);
    free(data);
    bytes_free(b);
    if (status != CSO_ERR_INPUT || !strstr(err.message, part) || strncmp(err.message, "t.gguf: ", 8)) {
        print_error("status %d, message '%s' (expected '%s' in it)\n", status, err.message, part);
        fail();
    }
    assert_null(gguf);
}

/* Two keys, an array of each kind, three tensors: 4x2 F32, 2x32 Q8_0, and an empty one. */
static bytes small_file(uint32_t version) {
    bytes b = {0};
    gguf_header(&b, version, 3, 9);
    gguf_key_string(&b, "general.architecture", "llama");
    gguf_key_u32(&b, "llama.block_count", 7);
    gguf_key(&b, "llama.rope.freq_base", CSO_GGUF_FLOAT32);
    float base = 500000.0f;
    bytes_add(&b, &base, 4);
    gguf_key(&b, "a.bool", CSO_GGUF_BOOL);
    bytes_u8(&b, 1);
    gguf_key(&b, "a.negative", CSO_GGUF_INT8);
    bytes_u8(&b, 0xFE);
    gguf_key(&b, "a.large", CSO_GGUF_UINT64);
    bytes_u64(&b, UINT64_MAX);
    gguf_key_array(&b, "tokens", CSO_GGUF_STRING, 3);
    gguf_string(&b, "a");
    gguf_string(&b, "");
    bytes_u64(&b, 3);
    bytes_add(&b, "b\0c", 3);
    gguf_key_array(&b, "types", CSO_GGUF_INT32, 2);
    bytes_u32(&b, 5);
    bytes_u32(&b, UINT32_MAX);
    gguf_key_array(&b, "none", CSO_GGUF_FLOAT64, 0);
    gguf_tensor(&b, "second", 2, (uint64_t[]){32, 2}, Q8_0, 32);
    gguf_tensor(&b, "first", 2, (uint64_t[]){4, 2}, F32, 0);
    gguf_tensor(&b, "empty", 2, (uint64_t[]){4, 0}, F32, 0);
    gguf_pad(&b, 32);
    for (int i = 0; i < 8; i++) {
        float x = (float)i;
        bytes_add(&b, &x, 4);
    }
    bytes_zeros(&b, 68); /* the last tensor's bytes are the last of the file */
    return b;
}

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
    assert_string_equal(err.message, "t.gguf: key a.negative: is -2 (expected no negative number)");
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

    const cso_gguf_value *array;
    assert_int_equal(cso_gguf_get_array(g, "types", true, &array, NULL, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "is an array of int32 (expected of string)"));
    assert_int_equal(cso_gguf_get_array(g, "a.bool", true, &array, NULL, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_gguf_get_array(g, "tokens", true, &array, NULL, &err), CSO_OK);
    assert_int_equal(array->count, 3);
    size_t cursor = 0;
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

/* Whatever a changed byte does, nothing crashes, and what is accepted can be read to the end. */
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

static void header_cases(void **state) {
    (void)state;
    bytes b = {0};
    assert_refused(&b, "ends inside the magic number");
    bytes_text(&b, "GGUF");
    assert_refused(&b, "ends inside the version");
    bytes_text(&b, "GGML\3\0\0\0");
    assert_refused(&b, "is no GGUF file");
    bytes_text(&b, "\x1b[2Jxxxxxx"); /* what is quoted is made printable */
    assert_refused(&b, "found '\\x1b[2J')");
    static const uint32_t versions[] = {0, 1, 4, UINT32_MAX};
    for (int i = 0; i < 4; i++) {
        gguf_header(&b, versions[i], 0, 0);
        assert_refused(&b, "(expected 2 or 3)");
    }
    gguf_header(&b, 0x03000000, 0, 0);
    assert_refused(&b, "big-endian");
    static const uint64_t counts[] = {UINT64_MAX, (uint64_t)1 << 60, (uint64_t)1 << 63, SIZE_MAX / 64, 10};
    for (int i = 0; i < 5; i++) {
        gguf_header(&b, 3, counts[i], 0);
        bytes_zeros(&b, 100);
        assert_refused(&b, "tensors at offset 8");
        gguf_header(&b, 3, 0, counts[i]);
        bytes_zeros(&b, 100);
        assert_refused(&b, "keys at offset 16");
    }
}

static void key_cases(void **state) {
    (void)state;
    bytes b = {0};
    gguf_header(&b, 3, 0, 1);
    gguf_key_u32(&b, "", 1);
    assert_refused(&b, "bad key '' of 0 bytes at offset 24");
    gguf_header(&b, 3, 0, 1);
    gguf_key_u32(&b, "caf\xc3\xa9", 1);
    assert_refused(&b, "bad key");
    gguf_header(&b, 3, 0, 1);
    bytes_u64(&b, 3);
    bytes_add(&b, "a\0b", 3);
    bytes_u32(&b, CSO_GGUF_UINT8);
    bytes_u8(&b, 0);
    assert_refused(&b, "bad key");
    for (size_t length = 65535; length <= 65536; length++) {
        gguf_header(&b, 3, 0, 1);
        bytes_u64(&b, length);
        for (size_t i = 0; i < length; i++)
            bytes_u8(&b, 'k');
        bytes_u32(&b, CSO_GGUF_UINT8);
        bytes_u8(&b, 0);
        if (length == 65536) {
            assert_refused(&b, "bad key");
        } else {
            cso_gguf *g;
            assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
            cso_gguf_close(g);
            bytes_free(&b);
        }
    }
    gguf_header(&b, 3, 0, 2);
    gguf_key_u32(&b, "a.b", 1);
    gguf_key_u32(&b, "a.b", 1);
    assert_refused(&b, "duplicate key a.b at offset 43");
    static const uint64_t lengths[] = {UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32, UINT64_MAX - 40, 41};
    for (int i = 0; i < 5; i++) {
        gguf_header(&b, 3, 0, 1); /* a key's length */
        bytes_u64(&b, lengths[i]);
        bytes_zeros(&b, 40);
        assert_refused(&b, "a string of");
        gguf_header(&b, 3, 0, 1); /* a string's */
        gguf_key(&b, "key", CSO_GGUF_STRING);
        bytes_u64(&b, lengths[i]);
        bytes_zeros(&b, 40);
        assert_refused(&b, "key at offset 39: a string of");
        gguf_header(&b, 3, 0, 1); /* a string's in an array */
        gguf_key_array(&b, "key", CSO_GGUF_STRING, 2);
        gguf_string(&b, "one");
        bytes_u64(&b, lengths[i]);
        bytes_zeros(&b, 40);
        assert_refused(&b, "key at offset 62: a string of");
        for (uint32_t type = 0; type <= CSO_GGUF_FLOAT64; type++) { /* an array's count; 41 items do not fit for any */
            if (type == CSO_GGUF_ARRAY)
                continue;
            gguf_header(&b, 3, 0, 1);
            gguf_key_array(&b, "key", type, lengths[i]);
            bytes_zeros(&b, 40);
            assert_refused(&b, "key key: an array of");
        }
    }
    static const uint32_t types[] = {13, 255, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        gguf_header(&b, 3, 0, 1);
        gguf_key(&b, "key", types[i]);
        bytes_zeros(&b, 40);
        assert_refused(&b, "key key: unknown type");
        gguf_header(&b, 3, 0, 1);
        gguf_key_array(&b, "key", types[i], 1);
        bytes_zeros(&b, 40);
        assert_refused(&b, "key key: unknown type");
    }
    gguf_header(&b, 3, 0, 1);
    gguf_key_array(&b, "key", CSO_GGUF_ARRAY, 1);
    bytes_zeros(&b, 40);
    assert_refused(&b, "key key: an array of arrays");
    gguf_header(&b, 3, 0, 1);
    gguf_key(&b, "key", CSO_GGUF_BOOL);
    bytes_u8(&b, 2);
    assert_refused(&b, "key key: a boolean of 2 at offset 39 (expected 0 or 1)");
    gguf_header(&b, 3, 0, 1);
    gguf_key_array(&b, "key", CSO_GGUF_BOOL, 3);
    bytes_add(&b, "\0\1\xff", 3);
    assert_refused(&b, "key key: a boolean of 255 at offset 53");
}

static void alignments(void **state) {
    (void)state;
    bytes b = {0};
    static const uint32_t bad[] = {0, 1, 4, 13, 24, 1 << 17, 1 << 30, UINT32_MAX, 0x80000000};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gguf_header(&b, 3, 0, 1);
        gguf_key_u32(&b, "general.alignment", bad[i]);
        assert_refused(&b, "key general.alignment");
    }
    gguf_header(&b, 3, 0, 1);
    gguf_key(&b, "general.alignment", CSO_GGUF_UINT64);
    bytes_u64(&b, 32);
    assert_refused(&b, "key general.alignment: uint64");
    gguf_header(&b, 3, 0, 1);
    gguf_key_string(&b, "general.alignment", "32");
    assert_refused(&b, "key general.alignment: string");
    gguf_header(&b, 3, 0, 1);
    gguf_key_array(&b, "general.alignment", CSO_GGUF_UINT32, 1);
    bytes_u32(&b, 32);
    assert_refused(&b, "key general.alignment: array");
    static const uint32_t good[] = {8, 16, 32, 64, 4096};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        gguf_header(&b, 3, 2, 1);
        gguf_key_u32(&b, "general.alignment", good[i]);
        gguf_tensor(&b, "a", 1, (uint64_t[]){1}, F32, 0);
        gguf_tensor(&b, "b", 1, (uint64_t[]){1}, F32, good[i]);
        gguf_pad(&b, good[i]);
        bytes_u32(&b, 1);
        gguf_pad(&b, good[i]);
        bytes_u32(&b, 2);
        cso_gguf *g;
        assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
        assert_int_equal(((const uint8_t *)cso_gguf_tensor(g, "b")->data)[0], 2);
        cso_gguf_close(g);
        bytes_free(&b);
    }
}

/* A file with the one tensor, and `data` bytes of data. */
static void one_tensor(bytes *b, const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type, uint64_t offset,
                       size_t data) {
    gguf_header(b, 3, 1, 0);
    gguf_tensor(b, name, n_dims, dims, type, offset);
    gguf_pad(b, 32);
    bytes_zeros(b, data);
}

static void tensor_cases(void **state) {
    (void)state;
    bytes b = {0};
    uint64_t dims[5] = {32, 1, 1, 1, 1};
    const char *long_name = "0123456789012345678901234567890123456789012345678901234567890123"; /* 64 */
    one_tensor(&b, long_name, 1, dims, F32, 0, 128);
    assert_refused(&b, "bad tensor name");
    one_tensor(&b, long_name + 1, 1, dims, F32, 0, 128);
    cso_gguf *g;
    assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
    cso_gguf_close(g);
    bytes_free(&b);
    one_tensor(&b, "", 1, dims, F32, 0, 128);
    assert_refused(&b, "bad tensor name");
    one_tensor(&b, "\xff", 1, dims, F32, 0, 128);
    assert_refused(&b, "bad tensor name");
    one_tensor(&b, "w", 0, dims, F32, 0, 128);
    assert_refused(&b, "tensor w: 0 dimensions at offset 33");
    one_tensor(&b, "w", 5, dims, F32, 0, 128);
    assert_refused(&b, "tensor w: 5 dimensions");
    gguf_header(&b, 3, 1, 0);
    gguf_string(&b, "w");
    bytes_u32(&b, UINT32_MAX);
    bytes_zeros(&b, 100);
    assert_refused(&b, "tensor w: 4294967295 dimensions");
    static const uint32_t types[] = {4, 5, 31, 32, 33, 36, 37, 38, 99, UINT32_MAX, I32};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        one_tensor(&b, "w", 1, dims, types[i], 0, 128);
        assert_refused(&b, "unknown or not supported");
    }
    one_tensor(&b, "w", 1, (uint64_t[]){33}, Q8_0, 0, 128);
    assert_refused(&b, "tensor w: rows of 33 weights of type Q8_0 (expected a multiple of 32)");
    one_tensor(&b, "w", 1, (uint64_t[]){32}, Q4_K, 0, 128);
    assert_refused(&b, "expected a multiple of 256");
    static const uint64_t large[][4] = {{(uint64_t)1 << 62, 1, 1, 1},
                                        {(uint64_t)1 << 32, (uint64_t)1 << 32, 1, 1},
                                        {(uint64_t)1 << 31, (uint64_t)1 << 31, 4, 1},
                                        {65536, 65536, 65536, 65536},
                                        {32, (uint64_t)1 << 57, 1, 1},
                                        {0, (uint64_t)1 << 62, (uint64_t)1 << 62, 1}};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        one_tensor(&b, "w", 4, large[i], F32, 0, 128);
        assert_refused(&b, "tensor w: the product of its dimensions overflows");
    }
    one_tensor(&b, "w", 2, (uint64_t[]){32, UINT64_MAX}, F32, 0, 128);
    assert_refused(&b, "tensor w: a dimension of 18446744073709551615");
    one_tensor(&b, "w", 2, (uint64_t[]){(uint64_t)1 << 63, 1}, F32, 0, 128);
    assert_refused(&b, "tensor w: a dimension of");
    static const uint64_t unaligned[] = {1, 16, 31, 33, UINT64_MAX};
    for (size_t i = 0; i < sizeof unaligned / sizeof unaligned[0]; i++) {
        one_tensor(&b, "w", 1, dims, F32, unaligned[i], 256);
        assert_refused(&b, "is no multiple of the alignment 32");
    }
    static const uint64_t far[] = {160, 256, UINT64_MAX - 31, (uint64_t)1 << 63, (uint64_t)1 << 32, UINT64_MAX - 127};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        one_tensor(&b, "w", 1, dims, F32, far[i], 256);
        assert_refused(&b, "go past the end of the file");
    }
    /* Sizes near 2^64 and 2^63 that do not overflow, so that only the file's size can refuse them; the last offset aligns and
     * wraps. */
    static const struct {
        uint64_t dims[2];
        uint32_t type;
    } near[] = {{{((uint64_t)1 << 62) - 1, 1}, F32},  {{((uint64_t)1 << 61) - 1, 1}, F32},
                {{32, ((uint64_t)1 << 57) - 1}, F32}, {{INT64_MAX, 1}, F16},
                {{32, UINT64_MAX / 34 / 2}, Q8_0},    {{256, UINT64_MAX / 144 - 1}, Q4_K}};
    static const uint64_t offsets[] = {0, 32, (uint64_t)1 << 63, UINT64_MAX - 31};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
        for (size_t j = 0; j < sizeof offsets / sizeof offsets[0]; j++) {
            one_tensor(&b, "w", 2, near[i].dims, near[i].type, offsets[j], 256);
            assert_refused(&b, near[i].type == Q4_K ? "tensor w: " : "go past the end of the file");
        }
    one_tensor(&b, "w", 1, (uint64_t[]){1 << 20}, F32, 0, 256);
    assert_refused(&b, "tensor w: 4194304 bytes at offset 0 of the data go past the end of the file (it has 256)");
}

static void duplicates_and_overlaps(void **state) {
    (void)state;
    bytes b = {0};
    uint64_t dims[2] = {16, 1};
    gguf_header(&b, 3, 2, 0);
    gguf_tensor(&b, "w", 1, dims, F32, 0);
    gguf_tensor(&b, "w", 1, dims, F32, 64);
    gguf_pad(&b, 32);
    bytes_zeros(&b, 128);
    assert_refused(&b, "duplicate tensor w at offset 57");
    for (uint64_t offset = 0; offset <= 64; offset += 32) {
        gguf_header(&b, 3, 3, 0);
        gguf_tensor(&b, "high", 1, dims, F32, offset);
        gguf_tensor(&b, "empty", 2, (uint64_t[]){16, 0}, F32, 32); /* takes no place */
        gguf_tensor(&b, "low", 1, dims, F32, 0);
        gguf_pad(&b, 32);
        bytes_zeros(&b, 128);
        if (offset < 64) {
            assert_refused(&b, "overlaps tensor");
        } else {
            cso_gguf *g;
            assert_int_equal(open_bytes(&g, &b, NULL), CSO_OK);
            cso_gguf_close(g);
            bytes_free(&b);
        }
    }
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

/* ---- files and parts ---- */

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/cso-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

static const char *part_path(const char *name, unsigned number, unsigned count) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s-%05u-of-%05u.gguf", folder, name, number, count);
    return path;
}

/* A part with one tensor; total 0: no split.tensors.count. */
static void save_part(const char *path, unsigned number, unsigned count, unsigned total, const char *tensor) {
    bytes b = {0};
    gguf_header(&b, 3, 1, 2u + (total > 0) + (number == 0));
    gguf_key(&b, "split.no", CSO_GGUF_UINT16);
    bytes_add(&b, &(uint16_t){(uint16_t)number}, 2);
    gguf_key(&b, "split.count", CSO_GGUF_UINT16);
    bytes_add(&b, &(uint16_t){(uint16_t)count}, 2);
    if (total) {
        gguf_key(&b, "split.tensors.count", CSO_GGUF_INT32);
        bytes_u32(&b, total);
    }
    if (number == 0)
        gguf_key_string(&b, "general.architecture", "llama");
    gguf_tensor(&b, tensor, 1, (uint64_t[]){1}, F32, 0);
    gguf_pad(&b, 32);
    bytes_u32(&b, number + 10);
    bytes_save(path, b.data, b.size);
    bytes_free(&b);
}

static void assert_file_refused(const char *path, const char *part) {
    cso_gguf *g;
    cso_error err = {0};
    assert_int_equal(cso_gguf_open(&g, path, &err), CSO_ERR_INPUT);
    if (!strstr(err.message, part))
        print_error("message '%s' (expected '%s' in it)\n", err.message, part);
    assert_non_null(strstr(err.message, part));
}

static void opens_files(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/one.gguf", folder);
    assert_file_refused(path, "one.gguf: cannot open: No such file");
    bytes b = small_file(3);
    bytes_save(path, b.data, b.size);
    cso_gguf *g;
    assert_int_equal(cso_gguf_open(&g, path, NULL), CSO_OK);
    assert_int_equal(cso_gguf_tensor_count(g), 3);
    assert_string_equal(cso_gguf_path(g), path);
    cso_gguf_close(g);
    bytes_save(path, b.data, b.size - 1);
    assert_file_refused(path, "tensor second: 68 bytes at offset 32 of the data go past the end");
    bytes_save(path, "", 0);
    assert_file_refused(path, "ends inside the magic number (offset 0 of 0)");
    bytes_free(&b);
}

static void opens_split_models(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    for (unsigned i = 0; i < 3; i++)
        save_part(part_path("m", i + 1, 3), i, 3, 3, names[i]);
    cso_gguf *g;
    cso_error err = {0};
    assert_int_equal(cso_gguf_open(&g, part_path("m", 1, 3), &err), CSO_OK);
    assert_int_equal(cso_gguf_tensor_count(g), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(((const uint8_t *)cso_gguf_tensor(g, names[i])->data)[0], i + 10);
    assert_non_null(cso_gguf_find(g, "general.architecture"));
    cso_gguf_close(g);

    assert_file_refused(part_path("m", 2, 3), "m-00001-of-00003.gguf)"); /* names the file to give */
    save_part(part_path("wrong", 1, 2), 0, 3, 0, "a");
    assert_file_refused(part_path("wrong", 1, 2), "(expected a name that ends in -00001-of-00003.gguf)");
    save_part(part_path("missing", 1, 2), 0, 2, 0, "a");
    assert_file_refused(part_path("missing", 1, 2), "missing-00002-of-00002.gguf: cannot open");
    save_part(part_path("missing", 2, 2), 1, 3, 0, "b");
    assert_file_refused(part_path("missing", 1, 2), "says it is part 2 of 3");
    save_part(part_path("missing", 2, 2), 1, 2, 0, "a");
    assert_file_refused(part_path("missing", 1, 2), "tensor a is in an earlier part too");
    save_part(part_path("missing", 2, 2), 1, 2, 0, "b");
    assert_int_equal(cso_gguf_open(&g, part_path("missing", 1, 2), &err), CSO_OK);
    cso_gguf_close(g);
    save_part(part_path("missing", 1, 2), 0, 2, 5, "a");
    assert_file_refused(part_path("missing", 1, 2), "2 tensors in all parts (expected 5 by split.tensors.count)");
    save_part(part_path("huge", 1, 65535), 0, 65535, 0, "a");
    assert_file_refused(part_path("huge", 1, 65535), "huge-00002-of-65535.gguf: cannot open");
    save_part(part_path("single", 1, 1), 0, 1, 1, "a");
    assert_int_equal(cso_gguf_open(&g, part_path("single", 1, 1), &err), CSO_OK);
    cso_gguf_close(g);
    /* The numbers themselves. */
    static const struct {
        const char *key;
        uint32_t type;
        uint64_t value;
        size_t size;
        const char *message;
    } numbers[] = {
        {"split.count", CSO_GGUF_UINT64, UINT64_MAX, 8, "says it is part 1 of 18446744073709551615"},
        {"split.count", CSO_GGUF_UINT64, (uint64_t)1 << 63, 8, "says it is part 1 of 9223372036854775808"},
        {"split.count", CSO_GGUF_UINT32, 100000, 4, "says it is part 1 of 100000"},
        {"split.count", CSO_GGUF_INT32, UINT32_MAX, 4, "key split.count: is -1 (expected no negative number)"},
        {"split.count", CSO_GGUF_FLOAT32, 2, 4, "key split.count: is of type float32 (expected an integer)"},
        {"split.no", CSO_GGUF_UINT64, UINT64_MAX, 8, "(split.no, split.count)"},
        {"split.no", CSO_GGUF_UINT16, 2, 2, "says it is part 3 of 2"},
        {"split.no", CSO_GGUF_INT8, 0xFF, 1, "key split.no: is -1"},
        {"split.no", CSO_GGUF_BOOL, 0, 1, "key split.no: is of type bool"},
        {"split.tensors.count", CSO_GGUF_UINT64, UINT64_MAX, 8, "2 tensors in all parts (expected 18446744073709551615"},
        {"split.tensors.count", CSO_GGUF_INT64, UINT64_MAX, 8, "key split.tensors.count: is -1"},
    };
    save_part(part_path("numbers", 2, 2), 1, 2, 0, "b");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        static const char *const keys[] = {"split.no", "split.count", "split.tensors.count"};
        bytes b = {0};
        gguf_header(&b, 3, 1, 3);
        for (int k = 0; k < 3; k++) {
            bool odd = !strcmp(keys[k], numbers[i].key);
            gguf_key(&b, keys[k], odd ? numbers[i].type : CSO_GGUF_UINT16);
            bytes_add(&b, odd ? &numbers[i].value : &(uint64_t){k ? 2 : 0}, odd ? numbers[i].size : 2);
        }
        gguf_tensor(&b, "a", 1, (uint64_t[]){1}, F32, 0);
        gguf_pad(&b, 32);
        bytes_u32(&b, 1);
        bytes_save(part_path("numbers", 1, 2), b.data, b.size);
        bytes_free(&b);
        assert_file_refused(part_path("numbers", 1, 2), numbers[i].message);
    }
    /* Parts in the wrong order, a part of another model, one that is cut, one that is no GGUF. */
    for (unsigned i = 0; i < 3; i++)
        save_part(part_path("mixed", i + 1, 3), i ? 3 - i : 0, 3, 3, names[i]);
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00002-of-00003.gguf: says it is part 3 of 3");
    save_part(part_path("mixed", 2, 3), 1, 3, 3, "b");
    save_part(part_path("mixed", 3, 3), 2, 3, 3, "b");
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: tensor b is in an earlier part too");
    save_part(part_path("mixed", 3, 3), 2, 4, 3, "c");
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: says it is part 3 of 4");
    save_part(part_path("mixed", 3, 3), 2, 3, 3, "c");
    assert_int_equal(cso_gguf_open(&g, part_path("mixed", 1, 3), &err), CSO_OK);
    cso_gguf_close(g);
    assert_int_equal(truncate(part_path("mixed", 3, 3), 100), 0);
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: ");
    bytes_save(part_path("mixed", 3, 3), "", 0);
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: the file ends inside the magic number");
    bytes_save(part_path("mixed", 3, 3), "GGML0000", 8);
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: is no GGUF file");

    bytes b = small_file(3);
    bytes_save(part_path("plain", 2, 2), b.data, b.size);
    save_part(part_path("plain", 1, 2), 0, 2, 0, "a");
    assert_file_refused(part_path("plain", 1, 2), "plain-00002-of-00002.gguf: key split.no is missing");
    bytes_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(typed_reads),
        cmocka_unit_test(array_items_of_any_width),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(header_cases),
        cmocka_unit_test(key_cases),
        cmocka_unit_test(alignments),
        cmocka_unit_test(tensor_cases),
        cmocka_unit_test(duplicates_and_overlaps),
        cmocka_unit_test(many_keys_and_tensors_fast),
        cmocka_unit_test(opens_files),
        cmocka_unit_test(opens_split_models),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
