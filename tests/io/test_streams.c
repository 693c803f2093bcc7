/* test_streams.c - the streaming writers of GGUF and safetensors: their files read back, and an incomplete file does not appear. */
#include "base/file.h"
#include "io/gguf_write.h"
#include "io/safetensors.h"
#include "io/safetensors_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/cso-streams-XXXXXX", path[64];

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

static void ok(cso_status status, const cso_error *error) {
    if (status != CSO_OK)
        fail_msg("%s", error->message);
}

static void put_keys(cso_gguf_writer *writer) {
    static const char *const texts[] = {"one", "", "thr\0e"};
    static const size_t sizes[] = {3, 0, 5};
    static const int32_t numbers[] = {-1, 2};
    static const float floats[] = {0.5f};
    cso_gguf_writer_string(writer, "general.architecture", "llama");
    cso_gguf_writer_u32(writer, "a.number", 7);
    cso_gguf_writer_f32(writer, "a.float", 1e-5f);
    cso_gguf_writer_bool(writer, "a.yes", true);
    cso_gguf_writer_bool(writer, "a.no", false);
    cso_gguf_writer_strings(writer, "a.texts", texts, sizes, 3);
    cso_gguf_writer_strings(writer, "a.none", NULL, NULL, 0);
    cso_gguf_writer_i32s(writer, "a.numbers", numbers, 2);
    cso_gguf_writer_f32s(writer, "a.floats", floats, 1);
}

static const float DATA[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Tensors of 15 numbers: (3, 4), an empty one, and (3). */
static void put_tensors(cso_gguf_writer *writer, cso_error *error) {
    ok(cso_gguf_writer_tensor(writer, "first", CSO_F32, 2, (size_t[]){3, 4}, error), error);
    ok(cso_gguf_writer_tensor(writer, "empty", CSO_F32, 2, (size_t[]){0, 4}, error), error);
    ok(cso_gguf_writer_tensor(writer, "last", CSO_F32, 1, (size_t[]){3}, error), error);
}

static void check_gguf(const char *name) {
    cso_error error = {0};
    cso_gguf *gguf;
    size_t number = 0, size = 0, cursor = 0;
    double real = 0;
    bool yes = false, no = true;
    const char *text;
    const cso_gguf_value *array;
    ok(cso_gguf_open(&gguf, name, &error), &error);
    assert_int_equal(cso_gguf_value_count(gguf), 9);
    ok(cso_gguf_get_size(gguf, "a.number", &number, NULL, &error), &error);
    ok(cso_gguf_get_float(gguf, "a.float", &real, NULL, &error), &error);
    ok(cso_gguf_get_bool(gguf, "a.yes", &yes, NULL, &error), &error);
    ok(cso_gguf_get_bool(gguf, "a.no", &no, NULL, &error), &error);
    assert_int_equal(number, 7);
    assert_true(real == (double)1e-5f && yes && !no);
    ok(cso_gguf_get_array(gguf, "a.texts", true, &array, NULL, &error), &error);
    for (int i = 0; i < 3; i++)
        cso_gguf_next_string(array, &cursor, &text, &size);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "thr\0e", 5);
    ok(cso_gguf_get_array(gguf, "a.none", true, &array, NULL, &error), &error);
    assert_int_equal(array->count, 0);
    ok(cso_gguf_get_array(gguf, "a.numbers", false, &array, NULL, &error), &error);
    assert_int_equal(cso_gguf_array_int(array, 0), -1);
    ok(cso_gguf_get_array(gguf, "a.floats", false, &array, NULL, &error), &error);
    assert_true(cso_gguf_array_float(array, 0) == 0.5);
    const cso_tensor *first = cso_gguf_tensor(gguf, "first"), *last = cso_gguf_tensor(gguf, "last");
    assert_int_equal(cso_gguf_tensor_count(gguf), 3);
    assert_int_equal(first->shape[0], 3);
    assert_int_equal(first->shape[1], 4);
    assert_memory_equal(first->data, DATA, 48);
    assert_memory_equal(last->data, DATA + 12, 12);
    cso_gguf_close(gguf);
}

/* Blocks of any size, also across tensors' borders; keys copied from one file to another are the same. */
static void test_gguf(void **state) {
    (void)state;
    for (size_t piece = 1; piece <= sizeof DATA; piece += 7) {
        cso_error error = {0};
        cso_gguf_writer *writer;
        ok(cso_gguf_writer_begin(&writer, path, &error), &error);
        put_keys(writer);
        put_tensors(writer, &error);
        for (size_t at = 0; at < sizeof DATA; at += piece)
            ok(cso_gguf_writer_write(writer, (const char *)DATA + at, sizeof DATA - at < piece ? sizeof DATA - at : piece, &error),
               &error);
        ok(cso_gguf_writer_commit(writer, &error), &error);
        check_gguf(path);
    }
    cso_error error = {0};
    cso_gguf *gguf;
    cso_gguf_writer *writer;
    char copy[80];
    snprintf(copy, sizeof copy, "%s.copy", path);
    ok(cso_gguf_open(&gguf, path, &error), &error);
    ok(cso_gguf_writer_begin(&writer, copy, &error), &error);
    for (size_t i = 0; i < cso_gguf_value_count(gguf); i++)
        cso_gguf_writer_value(writer, cso_gguf_value_at(gguf, i));
    put_tensors(writer, &error);
    ok(cso_gguf_writer_write(writer, DATA, sizeof DATA, &error), &error);
    ok(cso_gguf_writer_commit(writer, &error), &error);
    cso_gguf_close(gguf);
    check_gguf(copy);
}

static void test_gguf_misuse(void **state) {
    (void)state;
    cso_error error = {0};
    cso_gguf_writer *writer;
    ok(cso_remove_tree(path, &error), &error);
    ok(cso_gguf_writer_begin(&writer, path, &error), &error);
    put_tensors(writer, &error);
    assert_int_equal(cso_gguf_writer_tensor(writer, "first", CSO_F32, 1, (size_t[]){1}, &error), CSO_ERR_INTERNAL);
    assert_int_equal(cso_gguf_writer_tensor(writer, "odd", CSO_Q4_0, 1, (size_t[]){33}, &error), CSO_ERR_INTERNAL);
    ok(cso_gguf_writer_write(writer, DATA, 20, &error), &error);
    assert_int_equal(cso_gguf_writer_commit(writer, &error), CSO_ERR_INTERNAL);
    assert_false(cso_path_exists(path));
    ok(cso_gguf_writer_begin(&writer, path, &error), &error);
    put_tensors(writer, &error);
    ok(cso_gguf_writer_write(writer, DATA, sizeof DATA, &error), &error);
    assert_int_equal(cso_gguf_writer_write(writer, DATA, 1, &error), CSO_ERR_INTERNAL);
    cso_gguf_writer_abort(writer);
    assert_false(cso_path_exists(path));
}

static void test_safetensors(void **state) {
    (void)state;
    static const char *const metadata[] = {"format", "pt", NULL};
    const cso_safetensors_entry entries[] = {
        {"a\"b", CSO_F32, 2, {2, 3}}, {"scalar", CSO_F16, 0, {0}}, {"half", CSO_BF16, 1, {17}}};
    cso_error error = {0};
    for (int with = 0; with < 2; with++) {
        cso_safetensors_stream *stream;
        cso_safetensors *file;
        ok(cso_safetensors_stream_begin(&stream, path, entries, 3, with ? metadata : NULL, &error), &error);
        ok(cso_safetensors_stream_write(stream, DATA, 25, &error), &error);
        ok(cso_safetensors_stream_write(stream, (const char *)DATA + 25, 35, &error), &error);
        assert_int_equal(cso_safetensors_stream_write(stream, DATA, 1, &error), CSO_ERR_INTERNAL);
        ok(cso_safetensors_stream_commit(stream, &error), &error);
        ok(cso_safetensors_open(&file, path, &error), &error);
        assert_int_equal(cso_safetensors_count(file), 3);
        assert_memory_equal(cso_safetensors_find(file, "a\"b")->data, DATA, 24);
        assert_memory_equal(cso_safetensors_find(file, "half")->data, (const char *)DATA + 26, 34);
        assert_int_equal(cso_safetensors_metadata(file, "format") != NULL, with);
        cso_safetensors_close(file);
        ok(cso_remove_tree(path, &error), &error);
    }
    cso_safetensors_stream *stream;
    ok(cso_safetensors_stream_begin(&stream, path, entries, 3, NULL, &error), &error);
    assert_int_equal(cso_safetensors_stream_commit(stream, &error), CSO_ERR_INTERNAL);
    assert_false(cso_path_exists(path));
    const cso_safetensors_entry twice[] = {{"a", CSO_F32, 1, {1}}, {"a", CSO_F32, 1, {1}}}, quantized = {"a", CSO_Q8_0, 1, {32}};
    assert_int_equal(cso_safetensors_stream_begin(&stream, path, twice, 2, NULL, &error), CSO_ERR_INTERNAL);
    assert_int_equal(cso_safetensors_stream_begin(&stream, path, &quantized, 1, NULL, &error), CSO_ERR_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gguf), cmocka_unit_test(test_gguf_misuse),
                                       cmocka_unit_test(test_safetensors)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
