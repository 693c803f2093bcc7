/* test_gguf_files.c - GGUF models in files, whole and in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../test_folder.h"
#include "gguf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *part_path(const char *name, unsigned number, unsigned count) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s-%05u-of-%05u.gguf", test_folder, name, number, count);
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
    snprintf(path, sizeof path, "%s/one.gguf", test_folder);
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

static const char *const names[] = {"a", "b", "c"}; /* of the parts' tensors */

static void opens_split_models(void **state) {
    (void)state;
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
}

static void parts_are_checked(void **state) {
    (void)state;
    cso_gguf *g;
    cso_error err = {0};
    for (unsigned i = 0; i < 3; i++)
        save_part(part_path("m", i + 1, 3), i, 3, 3, names[i]);
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

    bytes b = small_file(3);
    bytes_save(part_path("plain", 2, 2), b.data, b.size);
    save_part(part_path("plain", 1, 2), 0, 2, 0, "a");
    assert_file_refused(part_path("plain", 1, 2), "plain-00002-of-00002.gguf: key split.no is missing");
    bytes_free(&b);
}

/* Invalid part numbers and counts. */
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
    {"split.count", CSO_GGUF_INT32, UINT32_MAX, 4, "key split.count: must be >= 0, got -1"},
    {"split.count", CSO_GGUF_FLOAT32, 2, 4, "key split.count: is of type float32 (expected an integer)"},
    {"split.no", CSO_GGUF_UINT64, UINT64_MAX, 8, "(split.no, split.count)"},
    {"split.no", CSO_GGUF_UINT16, 2, 2, "says it is part 3 of 2"},
    {"split.no", CSO_GGUF_INT8, 0xFF, 1, "key split.no: must be >= 0, got -1"},
    {"split.no", CSO_GGUF_BOOL, 0, 1, "key split.no: is of type bool"},
    {"split.tensors.count", CSO_GGUF_UINT64, UINT64_MAX, 8, "2 tensors in all parts (expected 18446744073709551615"},
    {"split.tensors.count", CSO_GGUF_INT64, UINT64_MAX, 8, "key split.tensors.count: must be >= 0, got -1"},
};

static void part_numbers(void **state) {
    (void)state;
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
}

/* Parts in the wrong order, a part of another model, one that is cut, one that is not a GGUF file. */
static void mixed_parts(void **state) {
    (void)state;
    cso_gguf *g;
    cso_error err = {0};
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
    assert_file_refused(part_path("mixed", 1, 3), "mixed-00003-of-00003.gguf: not a GGUF file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_files),  cmocka_unit_test(opens_split_models), cmocka_unit_test(parts_are_checked),
        cmocka_unit_test(part_numbers), cmocka_unit_test(mixed_parts),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
