/* test_gguf_refused.c - what the GGUF reader must refuse, each file made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_fixture.h"

#include <string.h>

static void header_cases(void **state) {
    (void)state;
    bytes b = {0};
    assert_refused(&b, "ends inside the magic number");
    bytes_text(&b, "GGUF");
    assert_refused(&b, "ends inside the version");
    bytes_text(&b, "GGML\3\0\0\0");
    assert_refused(&b, "not a GGUF file");
    bytes_text(&b, "\x1b[2Jxxxxxx"); /* quoted bytes are made printable */
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

static void key_names(void **state) {
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
}

static void key_lengths(void **state) {
    (void)state;
    bytes b = {0};
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
}

static void key_types(void **state) {
    (void)state;
    bytes b = {0};
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

static void tensor_names_and_dimensions(void **state) {
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
}

static void tensor_types_and_sizes(void **state) {
    (void)state;
    bytes b = {0};
    uint64_t dims[5] = {32, 1, 1, 1, 1};
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
}

static void tensor_offsets(void **state) {
    (void)state;
    bytes b = {0};
    uint64_t dims[5] = {32, 1, 1, 1, 1};
    static const uint64_t unaligned[] = {1, 16, 31, 33, UINT64_MAX};
    for (size_t i = 0; i < sizeof unaligned / sizeof unaligned[0]; i++) {
        one_tensor(&b, "w", 1, dims, F32, unaligned[i], 256);
        assert_refused(&b, "is not a multiple of the alignment 32");
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_cases),
        cmocka_unit_test(key_names),
        cmocka_unit_test(key_lengths),
        cmocka_unit_test(key_types),
        cmocka_unit_test(alignments),
        cmocka_unit_test(tensor_names_and_dimensions),
        cmocka_unit_test(tensor_types_and_sizes),
        cmocka_unit_test(tensor_offsets),
        cmocka_unit_test(duplicates_and_overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
