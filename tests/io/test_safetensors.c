/* test_safetensors.c - the reference's checks one by one, and files written and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "io/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64], path[128];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/cso-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

static bytes make(const char *header, size_t data) {
    bytes b = {0};
    bytes_u64(&b, strlen(header));
    bytes_text(&b, header);
    for (size_t i = 0; i < data; i++)
        bytes_u8(&b, (unsigned)i);
    return b;
}

static cso_status open_header(cso_safetensors **file, const char *header, size_t data, uint8_t **exact, cso_error *err) {
    bytes b = make(header, data);
    *exact = bytes_exact(b.data, b.size);
    cso_status status = cso_safetensors_open_memory(file, *exact, b.size, "t.safetensors", err);
    bytes_free(&b);
    return status;
}

static void assert_refused(const char *header, size_t data, const char *part) {
    cso_safetensors *file;
    cso_error err = {0};
    uint8_t *exact;
    cso_status status = open_header(&file, header, data, &exact, &err);
    free(exact);
    if (status != CSO_ERR_INPUT || !strstr(err.message, part) || strncmp(err.message, "t.safetensors:", 14)) {
        print_error("%s: status %d, message '%s' (expected '%s' in it)\n", header, status, err.message, part);
        fail();
    }
    assert_null(file);
}

static void assert_accepted(const char *header, size_t data, size_t tensors) {
    cso_safetensors *file;
    cso_error err = {0};
    uint8_t *exact;
    cso_status status = open_header(&file, header, data, &exact, &err);
    if (status != CSO_OK)
        print_error("%s: %s\n", header, err.message);
    assert_int_equal(status, CSO_OK);
    assert_int_equal(cso_safetensors_count(file), tensors);
    cso_safetensors_close(file);
    free(exact);
}

static const char SMALL[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                            "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
                            "\"ids\":{\"data_offsets\":[16,24],\"shape\":[2],\"dtype\":\"I32\"},"
                            "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}";

static void reads(void **state) {
    (void)state;
    cso_safetensors *file;
    uint8_t *exact;
    cso_error err = {0};
    assert_int_equal(open_header(&file, SMALL, 24, &exact, &err), CSO_OK);
    assert_int_equal(cso_safetensors_count(file), 2);
    const cso_tensor *t = cso_safetensors_find(file, "b");
    assert_ptr_equal(t, cso_safetensors_at(file, 0));
    assert_int_equal(t->dtype, CSO_BF16);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->row_bytes, 6);
    assert_int_equal(t->size, 12);
    assert_int_equal(((const uint8_t *)t->data)[0], 4);
    t = cso_safetensors_find(file, "s");
    assert_int_equal(t->n_dims, 0);
    assert_int_equal(t->row_bytes, 4);
    assert_int_equal(t->size, 4);
    assert_null(cso_safetensors_find(file, "ids"));
    assert_null(cso_safetensors_find(file, "none"));
    const char *dtype;
    const void *data;
    size_t size;
    assert_int_equal(cso_safetensors_raw(file, "ids", &dtype, &data, &size, &err), CSO_OK);
    assert_string_equal(dtype, "I32");
    assert_int_equal(size, 8);
    assert_int_equal(((const uint8_t *)data)[7], 23);
    assert_int_equal(cso_safetensors_raw(file, "none", &dtype, &data, &size, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "t.safetensors: tensor none is missing");
    assert_string_equal(cso_safetensors_metadata(file, "format"), "pt");
    assert_null(cso_safetensors_metadata(file, "none"));
    assert_string_equal(cso_safetensors_path(file), "t.safetensors");
    cso_safetensors_close(file);
    cso_safetensors_close(NULL);
    free(exact);
}

static void every_prefix_is_refused(void **state) {
    (void)state;
    bytes b = make(SMALL, 24);
    for (size_t size = 0; size < b.size; size++) {
        cso_safetensors *file;
        uint8_t *exact = bytes_exact(b.data, size);
        assert_int_equal(cso_safetensors_open_memory(&file, exact, size, "t", NULL), CSO_ERR_INPUT);
        free(exact);
    }
    bytes_u8(&b, 0);
    cso_safetensors *file;
    cso_error err;
    assert_int_equal(cso_safetensors_open_memory(&file, b.data, b.size, "t", &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "t: 1 bytes follow the last tensor");
    bytes_free(&b);
}

static void every_changed_byte_is_survived(void **state) {
    (void)state;
    bytes b = make(SMALL, 24);
    for (size_t at = 0; at < b.size; at++) {
        for (unsigned flip = 1; flip < 256; flip += 23) {
            cso_safetensors *file;
            uint8_t *exact = bytes_exact(b.data, b.size);
            exact[at] ^= (uint8_t)flip;
            if (cso_safetensors_open_memory(&file, exact, b.size, "t", NULL) == CSO_OK)
                cso_safetensors_close(file);
            free(exact);
        }
    }
    bytes_free(&b);
}

static void accepts(void **state) {
    (void)state;
    assert_accepted("{}", 0, 0);
    assert_accepted("{}      ", 0, 0);
    assert_accepted("{\"__metadata__\":{}}", 0, 0);
    assert_accepted("{\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 0, 1);
    assert_accepted("{\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]},"
                    "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                    "\"y\":{\"dtype\":\"F32\",\"shape\":[7,0],\"data_offsets\":[4,4]}}",
                    4, 3);
    assert_accepted("{ \"a\" :\n{\"shape\":[1],\"extra\":[{}],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}\n", 4, 1);
    assert_accepted("{\"v\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, 0); /* to be had raw */
    assert_accepted("{\"q\":{\"dtype\":\"F4\",\"shape\":[6],\"data_offsets\":[0,3]}}", 3, 0);
    static const struct {
        const char *name;
        int bytes, listed;
    } types[] = {{"BOOL", 1, 0}, {"U8", 1, 0},  {"I8", 1, 0},  {"F8_E5M2", 1, 0}, {"F8_E4M3", 1, 0},
                 {"I16", 2, 0},  {"U16", 2, 0}, {"F16", 2, 1}, {"BF16", 2, 1},    {"I32", 4, 0},
                 {"U32", 4, 0},  {"F32", 4, 1}, {"F64", 8, 0}, {"I64", 8, 0},     {"U64", 8, 0}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char header[160];
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}", types[i].name,
                 3 * types[i].bytes);
        assert_accepted(header, 3 * (size_t)types[i].bytes, (size_t)types[i].listed);
    }
}

/* Headers, bytes of data after them, and what the message must hold. */
#define TENSOR(dtype, shape, offsets) "{\"w\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
static const struct {
    const char *header;
    size_t data;
    const char *message;
} refused[] = {
    {"", 0, "begin with '{'"},
    {"[]", 0, "begin with '{'"},
    {" {}", 0, "begin with '{'"},
    {"\xEF\xBB\xBF{}", 0, "begin with '{'"},
    {"{", 0, "t.safetensors:1: the JSON text ends too early"},
    {"{}x", 0, "expected nothing after the value"},
    {"{\"a\xff\":1}", 0, "is not UTF-8"},
    {"{\"w\":1}", 0, "tensor w: expected an object"},
    {"{\"w\":{}}", 0, "tensor w: expected the keys"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor w: expected the keys"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"dtype\":\"F32\"}}", 4, "duplicate key \"dtype\""},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
     "offsets\":[4,8]}}",
     8, "duplicate key \"\\u0061\""},
    {TENSOR("32", "[1]", "[0,4]"), 4, "expected the keys"},
    {TENSOR("\"F32\"", "{}", "[0,4]"), 4, "expected the keys"},
    {TENSOR("\"f32\"", "[1]", "[0,4]"), 4, "unknown dtype 'f32'"},
    {TENSOR("\"Q4_0\"", "[1]", "[0,4]"), 4, "unknown dtype"},
    {TENSOR("\"\"", "[1]", "[0,4]"), 4, "unknown dtype"},
    {TENSOR("\"F32\"", "[1]", "[0]"), 4, "expected two whole numbers"},
    {TENSOR("\"F32\"", "[1]", "[]"), 4, "expected two whole numbers"},
    {TENSOR("\"F32\"", "[1]", "[0,2,4]"), 4, "expected two whole numbers"},
    {TENSOR("\"F32\"", "[1]", "[0,\"4\"]"), 4, "expected two whole numbers"},
    {TENSOR("\"F32\"", "[\"1\"]", "[0,4]"), 4, "expected whole numbers in its shape"},
    {TENSOR("\"F32\"", "[null]", "[0,4]"), 4, "expected whole numbers in its shape"},
    {TENSOR("\"F32\"", "[1.0]", "[0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[1e0]", "[0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[-1]", "[0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[1]", "[-0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[1]", "[0,4e0]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[18446744073709551617]", "[0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[1]", "[0,18446744073709551615]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[9223372036854775808]", "[0,4]"), 4, "expected a whole number"},
    {TENSOR("\"F32\"", "[9007199254740992]", "[0,4]"), 4, "data_offsets give it 4 bytes (expected 36028797018963968"},
    {TENSOR("\"F32\"", "[]", "[0,0]"), 0, "data_offsets give it 0 bytes (expected 4"},
    {TENSOR("\"F32\"", "[[1]]", "[0,4]"), 4, "expected whole numbers in its shape"},
    {TENSOR("\"F32\"", "[1]", "[[0,4]]"), 4, "expected two whole numbers"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate key \"__metadata__\""},
    {TENSOR("\"F32\"", "[1]", "[4,0]"), 4, "data_offsets 4 to 0"},
    {TENSOR("\"F32\"", "[1]", "[0,8]"), 4, "data_offsets 0 to 8 (the file has 4 bytes of data)"},
    {TENSOR("\"F32\"", "[1]", "[9007199254740988,9007199254740992]"), 4, "data_offsets 9007199254740988"},
    {TENSOR("\"F32\"", "[2]", "[0,4]"), 4, "data_offsets give it 4 bytes (expected 8 by shape and dtype)"},
    {TENSOR("\"F16\"", "[1]", "[0,4]"), 4, "expected 2 by shape"},
    {TENSOR("\"F4\"", "[3]", "[0,2]"), 2, "does not end on a whole byte"},
    {TENSOR("\"F32\"", "[9007199254740992,9007199254740992]", "[0,4]"), 4, "the product of its dimensions overflows"},
    {TENSOR("\"F32\"", "[9007199254740992,1024]", "[0,4]"), 4, "the product of its dimensions overflows"},
    {TENSOR("\"F32\"", "[1]", "[0,4]"), 8, "4 bytes follow the last tensor"},
    {TENSOR("\"F32\"", "[1]", "[4,8]"), 8, "tensor w: begins at 4 of the data, after a hole (expected 0)"},
    {"{}", 1, "1 bytes follow"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
     "4,8]}}",
     8, "tensor b: begins at 4 of the data, inside another (expected 8)"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":["
     "8,12]}}",
     12, "tensor b: begins at 8 of the data, after a hole (expected 4)"},
    {"{\"__metadata__\":[]}", 0, "__metadata__: expected an object of strings"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: expected an object of strings"},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_refused(refused[i].header, refused[i].data, refused[i].message);
}

static void header_lengths(void **state) {
    (void)state;
    static const uint64_t lengths[] = {3, 100000000, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bytes b = {0};
        bytes_u64(&b, lengths[i]);
        bytes_text(&b, "{}");
        cso_safetensors *file;
        cso_error err = {0};
        assert_int_equal(cso_safetensors_open_memory(&file, b.data, b.size, "t", &err), CSO_ERR_INPUT);
        assert_non_null(strstr(err.message, lengths[i] == 0          ? "begin with '{'"
                                            : lengths[i] > 100000000 ? "more than 100 MB"
                                                                     : "ends inside its header"));
        bytes_free(&b);
    }
}

static void writes_what_it_reads(void **state) {
    (void)state;
    float weights[6] = {1, -2.5f, 0, -0.0f, NAN, INFINITY}, scalar = 3;
    cso_safetensors_item items[] = {
        {"layers.0.a", weights, 2, {2, 3}}, {"s", &scalar, 0, {0}}, {"quote\"\\\n\xc3\xa9", NULL, 2, {4, 0}}};
    static const char *const metadata[] = {"format", "pt", "na\"me", "v\x01", NULL};
    cso_error err = {0};
    assert_int_equal(cso_safetensors_write(path, items, 3, metadata, &err), CSO_OK);
    cso_safetensors *file;
    assert_int_equal(cso_safetensors_open(&file, path, &err), CSO_OK);
    assert_int_equal(cso_safetensors_count(file), 3);
    for (size_t i = 0; i < 3; i++) {
        const cso_tensor *t = cso_safetensors_at(file, i);
        assert_string_equal(t->name, items[i].name);
        assert_int_equal(t->n_dims, items[i].n_dims);
        assert_memory_equal(t->shape, items[i].shape, sizeof t->shape);
        if (t->size)
            assert_memory_equal(t->data, items[i].data, t->size);
    }
    assert_int_equal(cso_safetensors_at(file, 0)->size, 24);
    assert_int_equal((uintptr_t)cso_safetensors_at(file, 0)->data % 8, 0);
    assert_string_equal(cso_safetensors_metadata(file, "na\"me"), "v\x01");
    cso_safetensors_close(file);

    items[1].name = "layers.0.a"; /* our own mistakes leave the file unchanged */
    assert_int_equal(cso_safetensors_write(path, items, 3, NULL, &err), CSO_ERR_INTERNAL);
    items[1].name = "__metadata__";
    assert_int_equal(cso_safetensors_write(path, items, 3, NULL, &err), CSO_ERR_INTERNAL);
    items[1].name = "s";
    items[0].shape[0] = SIZE_MAX / 2;
    assert_int_equal(cso_safetensors_write(path, items, 3, NULL, &err), CSO_ERR_INTERNAL);
    assert_int_equal(cso_safetensors_open(&file, path, &err), CSO_OK);
    cso_safetensors_close(file);
    assert_int_equal(cso_safetensors_write(path, NULL, 0, NULL, &err), CSO_OK);
    assert_int_equal(cso_safetensors_open(&file, path, &err), CSO_OK);
    assert_int_equal(cso_safetensors_count(file), 0);
    cso_safetensors_close(file);
}

static void many_tensors_fast(void **state) {
    (void)state;
    enum { MANY = 100000 };
    cso_safetensors_item *items = calloc(MANY, sizeof *items);
    char(*names)[24] = calloc(MANY, sizeof *names);
    float value = 1;
    assert_true(items && names);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "tensor.%zu", i);
        items[i] = (cso_safetensors_item){names[i], &value, 1, {1}};
    }
    assert_int_equal(cso_safetensors_write(path, items, MANY, NULL, NULL), CSO_OK);
    double begin = work_seconds();
    cso_safetensors *file;
    assert_int_equal(cso_safetensors_open(&file, path, NULL), CSO_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(cso_safetensors_find(file, names[i]), cso_safetensors_at(file, i));
    cso_safetensors_close(file);
    assert_true(work_seconds() - begin < 1.0);
    free(items);
    free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(header_lengths),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(many_tensors_fast),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
