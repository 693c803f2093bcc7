/* test_json_values.c - large values that stay in the text, and writing JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/json.h"
#include "io/json_walk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_item(cso_json_walk *walk, const char *key, const char *value, size_t items) {
    assert_true(cso_json_walk_next(walk));
    if (key) {
        assert_int_equal(walk->key_size, strlen(key));
        assert_memory_equal(walk->key, key, walk->key_size);
    }
    assert_int_equal(walk->value_size, strlen(value));
    assert_memory_equal(walk->value, value, walk->value_size);
    assert_int_equal(walk->items, items);
}

static const char model_text[] =
    "\xEF\xBB\xBF{\"vocab\":1,\"model\" : {\"merges\":[ \"a b\" ,[\"}\",\"\\\"]\"], {\"k\":{},\"l\":[]} ,-1.5e1 ],"
    "\"n\":\"\\u0000\",\"vocab\":{\"a\\u00e9\":0,\"\\u0000\":17 }},\"z\":{\"vocab\":[1,2]}}";

/* Parses model_text with model.vocab, model.merges and model.none kept out of the tree. */
static void parse_model(cso_json_large large[3], cJSON **value) {
    large[0] = (cso_json_large){.object = "model", .key = "vocab"};
    large[1] = (cso_json_large){.object = "model", .key = "merges"};
    large[2] = (cso_json_large){.object = "model", .key = "none"};
    cso_error err = {0};
    if (cso_json_parse_large(value, model_text, sizeof model_text - 1, "t", large, 3, &err) != CSO_OK)
        fail_msg("%s", err.message);
}

static void large_values(void **state) {
    (void)state;
    cso_json_large large[3];
    cJSON *value;
    parse_model(large, &value);
    char *printed = cJSON_PrintUnformatted(value);
    assert_string_equal(printed,
                        "{\"vocab\":1,\"model\":{\"merges\":null,\"n\":\"\xC0\x80\",\"vocab\":null},\"z\":{\"vocab\":[1,2]}}");
    cJSON_free(printed);
    cJSON_Delete(value);
    assert_null(large[2].text);
    assert_int_equal(large[0].items, 2);
    assert_int_equal(large[1].items, 4);
}

static void walks_an_array(void **state) {
    (void)state;
    cso_json_large large[3];
    cJSON *value;
    parse_model(large, &value);
    cJSON_Delete(value);
    cso_json_walk walk = cso_json_walk_begin(large[1].text, large[1].size);
    double number;
    expect_item(&walk, NULL, "\"a b\"", 0);
    assert_false(cso_json_walk_number(&walk, &number));
    expect_item(&walk, NULL, "[\"}\",\"\\\"]\"]", 2);
    expect_item(&walk, NULL, "{\"k\":{},\"l\":[]}", 2);
    expect_item(&walk, NULL, "-1.5e1", 0);
    assert_true(cso_json_walk_number(&walk, &number) && number == -15.0);
    assert_false(cso_json_walk_next(&walk));
    assert_false(cso_json_walk_next(&walk));
}

static void walks_an_object(void **state) {
    (void)state;
    cso_json_large large[3];
    cso_json_room room = {0};
    cJSON *value;
    double number;
    parse_model(large, &value);
    cJSON_Delete(value);
    cso_json_walk walk = cso_json_walk_begin(large[0].text, large[0].size);
    const char *found;
    size_t size;
    expect_item(&walk, "\"a\\u00e9\"", "0", 0);
    assert_true(cso_json_walk_string(&room, walk.key, walk.key_size, &found, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(found, "a\xC3\xA9", 3);
    expect_item(&walk, "\"\\u0000\"", "17", 0);
    assert_true(cso_json_walk_number(&walk, &number) && number == 17.0);
    assert_true(cso_json_walk_string(&room, walk.key, walk.key_size, &found, &size));
    assert_int_equal(size, 2);
    assert_memory_equal(found, "\xC0\x80", 2);
    assert_false(cso_json_walk_next(&walk));
    free(room.bytes);
}

/* A value that is neither array nor object has no items; an error inside a large value is refused as anywhere else. */
static void odd_large_values(void **state) {
    (void)state;
    cso_json_large large[] = {{.object = "model", .key = "vocab"}};
    cso_error err = {0};
    cJSON *value;
    static const char *const others[] = {"7", "\"[1]\"", "null", "{}", " [ ] "};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cso_json_walk walk = cso_json_walk_begin(others[i], strlen(others[i]));
        assert_false(cso_json_walk_next(&walk));
    }
    static const char *const bad[] = {"{\"model\":{\"vocab\":{\"a\":0,\"a\":1}}}", "{\"model\":{\"vocab\":[1,]}}",
                                      "{\"model\":{\"vocab\":{\"a\":0}}", "{\"model\":{\"vocab\":{},\"vocab\":{}}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cso_json_parse_large(&value, bad[i], strlen(bad[i]), "t", large, 1, &err), CSO_ERR_INPUT);
        assert_null(value);
    }
}

static void output(void **state) {
    (void)state;
    cso_text t = {0};
    cso_text_json_string(&t, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xC3\xA9\xFF\xE6\x84\0z", 19);
    assert_string_equal(t.data,
                        "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\\u0000z\"");
    free(t.data);
    static const struct {
        double value;
        const char *text;
    } numbers[] = {{0, "0"},
                   {-0.0, "-0"},
                   {1, "1"},
                   {0.1, "0.1"},
                   {-2.5, "-2.5"},
                   {1.0 / 3, "0.3333333333333333"},
                   {1e22, "1e+22"},
                   {1e300, "1e+300"},
                   {123456, "123456"},
                   {NAN, "null"},
                   {INFINITY, "null"},
                   {5e-324, "4.94065645841247e-324"},
                   {0.1 + 0.2, "0.30000000000000004"},
                   {9007199254740993.0, "9007199254740992"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        t = (cso_text){0};
        cso_text_json_number(&t, numbers[i].value);
        assert_string_equal(t.data, numbers[i].text);
        if (isfinite(numbers[i].value))
            assert_true(strtod(t.data, NULL) == numbers[i].value);
        free(t.data);
    }
    t = (cso_text){0};
    cso_text_add(&t, "", 0);
    assert_string_equal(t.data, "");
    for (int i = 0; i < 1000; i++)
        cso_text_format(&t, "%d,", i);
    assert_int_equal(t.size, strlen(t.data));
    assert_int_equal(t.size, 10 * 2 + 90 * 3 + 900 * 4);
    cso_text_add(&t, "x", SIZE_MAX - 10); /* cannot be: sticks */
    assert_true(t.failed);
    cso_text_add(&t, "x", 1);
    assert_int_equal(t.size, 3890);
    free(t.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_values),     cmocka_unit_test(walks_an_array), cmocka_unit_test(walks_an_object),
        cmocka_unit_test(odd_large_values), cmocka_unit_test(output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
