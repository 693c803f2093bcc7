/* test_slice.c - values of checked texts: writing, meaning and hashes. */
#include "slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_slice slice(const char *text) {
    return (json_slice){text, strlen(text)};
}

static void writes(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"1.50", "1.50"},
        {"\"a, b: c\"", "\"a, b: c\""},
        {"{\"a\":1,\"b\":[2,3]}", "{\"a\": 1, \"b\": [2, 3]}"},
        {"{\"a\": 1, \"b\": [2, 3]}", "{\"a\": 1, \"b\": [2, 3]}"},
        {"{ \"a\" :\t1e5 ,\r\n\"\\\"{,\\\\\":[ ] , \"c\" : { } }", "{\"a\": 1e5, \"\\\"{,\\\\\": [], \"c\": {}}"},
        {"[1,  2,\n3 , 4]", "[1, 2, 3, 4]"},
        {"[1, ]", "[1, ]"}, /* not JSON, but nothing is read beyond it */
        {"[\"\\u0000\\ud83d\\ude00\"]", "[\"\\u0000\\ud83d\\ude00\"]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_text out = {0};
        slice_write(&out, slice(cases[i].in));
        assert_string_equal(out.data, cases[i].out);
        free(out.data);
    }
}

static void means(void **state) {
    (void)state;
    cso_json_room room = {0};
    assert_true(slice_means(slice("\"role\""), "role", &room));
    assert_true(slice_means(slice("\"r\\u006fle\""), "role", &room));
    assert_false(slice_means(slice("\"roles\""), "role", &room));
    assert_false(slice_means(slice("\"\""), "role", &room));
    assert_true(slice_means(slice("\"\""), "", &room));
    assert_true(slice_is_blank(slice("\" \\n\\t\\u0020\""), &room));
    assert_true(slice_is_blank(slice("\"\""), &room));
    assert_false(slice_is_blank(slice("\" x \""), &room));
    assert_false(slice_is_blank(slice("\"\\u0000\""), &room));
    free(room.bytes);
}

static text_hash hash_of(const char *text) {
    cso_json_room room = {0};
    text_hash hash;
    assert_true(slice_value_hash(slice(text), &room, &hash));
    free(room.bytes);
    return hash;
}

static void hashes(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"{\"a\": 1, \"b\": [true, null]}", "{\"b\":[true,null],\"a\":1.0}"},
        {"\"\xC3\xA9\"", "\"\\u00e9\""},
        {"[1e3, -0]", "[1000, 0]"},
        {"9007199254740993", "9007199254740993"},
    };
    static const char *const different[][2] = {
        {"{\"a\": 1}", "{\"a\": 2}"},
        {"{\"a\": 1}", "{\"b\": 1}"},
        {"[1, 2]", "[2, 1]"},
        {"[[1], 2]", "[1, [2]]"},
        {"\"1\"", "1"},
        {"{}", "[]"},
        {"null", "false"},
        {"\"\"", "null"},
        {"9007199254740993", "9007199254740992"},
        {"{\"a\": 1, \"b\": 2}", "{\"a\": 2, \"b\": 1}"},
        {"\"\\u0000\"", "\"\""},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        text_hash a = hash_of(same[i][0]), b = hash_of(same[i][1]);
        assert_memory_equal(&a, &b, sizeof a);
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        text_hash a = hash_of(different[i][0]), b = hash_of(different[i][1]);
        assert_memory_not_equal(&a, &b, sizeof a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(writes), cmocka_unit_test(means), cmocka_unit_test(hashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
