/* test_json.c - strictness, lines, zero characters, typed members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cso_status parse(cJSON **value, const char *text, size_t size, cso_error *err) {
    uint8_t *exact = bytes_exact(text, size);
    cso_status status = cso_json_parse(value, (const char *)exact, size, "t.json", 1, err);
    free(exact);
    return status;
}

static cJSON *must_parse(const char *text) {
    cJSON *value;
    cso_error err = {0};
    if (parse(&value, text, strlen(text), &err) != CSO_OK)
        print_error("%s: %s\n", text, err.message);
    assert_non_null(value);
    return value;
}

/* Texts, and what the message must hold. */
static const struct {
    const char *text, *message;
} refused[] = {
    {"", "t.json:1: the JSON text ends too early (expected a value) (column 1)"},
    {" \n\n ", "t.json:3: the JSON text ends too early (expected a value) (column 2)"},
    {"{\n \"a\": 1,\n}", "t.json:3: expected a key in quotes, found '}' (column 1)"},
    {"[1,\n2,]", "t.json:2: expected a value, found ']' (column 3)"},
    {"[1 2]", "t.json:1: expected ',' or ']', found '2' (column 4)"},
    {"{\"a\" 1}", "t.json:1: expected ':', found '1' (column 6)"},
    {"{\"a\":1 \"b\":2}", "t.json:1: expected ',' or '}', found '\"' (column 8)"},
    {"{a:1}", "expected a key in quotes, found 'a'"},
    {"{'a':1}", "expected a key in quotes, found '''"},
    {"[1", "the JSON text ends too early (expected ',' or ']')"},
    {"{\"a\":1", "the JSON text ends too early (expected ',' or '}')"},
    {"1 2", "expected nothing after the value, found '2'"},
    {"{}\xC3\xA9", "expected nothing after the value, found '\xC3\xA9'"},
    {"nul", "expected a value, found 'n'"},
    {"nulll", "expected nothing after the value, found 'l'"},
    {"NaN", "expected a value, found 'N'"},
    {"[Infinity]", "expected a value, found 'I'"},
    {"-Infinity", "expected a digit, found 'I'"},
    {"+1", "expected a value, found '+'"},
    {"01", "a number begins with a zero"},
    {"-01", "a number begins with a zero"},
    {"1.", "the JSON text ends too early (expected a digit)"},
    {".5", "expected a value, found '.'"},
    {"1e", "the JSON text ends too early (expected a digit)"},
    {"1e+", "expected a digit"},
    {"0x10", "expected nothing after the value, found 'x'"},
    {"1e999", "a number out of range"},
    {"-1e999", "a number out of range"},
    {"1234567890123456789012345678901234567890123456789012345678901234", "a number of more than 63 characters"},
    {"\"abc", "a string is not closed (column 1)"},
    {"\"abc\\", "the JSON text ends in an escape (column 5)"},
    {"\"abc\\\"", "a string is not closed (column 1)"},
    {"[\"abc\n\"]", "a string is not closed on its line (column 6)"},
    {"\"a\tb\"", "control character in a string (column 3)"},
    {"\"\\x\"", "bad escape in a string (column 2)"},
    {"\"\\u12\"", "bad escape"},
    {"\"\\u12G4\"", "bad escape"},
    {"\"\\ud800\"", "lone surrogate in a string (column 2)"},
    {"\"\\udc00\"", "lone surrogate"},
    {"\"\\ud800\\ud800\"", "lone surrogate"},
    {"\"\\ud800x\"", "lone surrogate"},
    {"\"\\ud800\\u0041\"", "lone surrogate"},
    {"\"\xED\xA0\x80\"", "t.json:1: is not UTF-8 (column 2)"},
    {"[1,\n\"\xC0\x80\"]", "t.json:2: is not UTF-8 (column 2)"},
    {"\"\xE6\x84\"", "is not UTF-8"},
    {"\xFE\xFF", "is not UTF-8"},
    {"{\"a\":1,\n\"b\":2,\n\"a\":3}", "t.json:3: duplicate key \"a\" (column 1)"},
    {"{\"a\":1,\"\\u0061\":2}", "duplicate key \"\\u0061\""},
    {"{\"\":1,\"\":2}", "duplicate key \"\""},
    {"{\"o\":{\"x\":1,\"y\":{\"x\":1},\"x\":2}}", "duplicate key \"x\""},
    {"{\"\\u0000a\":1,\"\\u0000b\":2,\"\\u0000a\":2}", "duplicate key \"\\u0000a\""},
    {"// comment\n1", "expected a value, found '/'"},
    {"[1,,2]", "expected a value, found ','"},
    {"]", "expected a value, found ']'"},
    {"\xEF\xBB\xBF", "ends too early"},
    {"\xEF\xBB\xBF\xEF\xBB\xBF 1", "expected a value"},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        cJSON *value;
        cso_error err = {0};
        cso_status status = parse(&value, refused[i].text, strlen(refused[i].text), &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, refused[i].message)) {
            print_error("%s: status %d, message '%s' (expected '%s')\n", refused[i].text, status, err.message, refused[i].message);
            fail();
        }
        assert_null(value);
    }
    cJSON *value;
    cso_error err = {0};
    assert_int_equal(parse(&value, "[1]\0", 4, &err), CSO_ERR_INPUT);
    assert_int_equal(parse(&value, "\"a\0b\"", 5, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_json_parse(&value, "[", 1, "d.jsonl", 77, &err), CSO_ERR_INPUT);
    assert_true(!strncmp(err.message, "d.jsonl:77: ", 12));
}

static void accepts(void **state) {
    (void)state;
    cJSON *v = must_parse("\xEF\xBB\xBF {\"b\":[1,-2.5e-3,0,-0,true,false,null],\r\n\t\"a\":{\"b\":{}},\"\":\"\"} ");
    assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(v, "b"), 1)->valuedouble == -0.0025);
    cJSON_Delete(v);
    v = must_parse("\"\\u00e9\\ud83d\\ude00\\/\\\\\\\"\\b\\f\\n\\r\\t\xC3\xA9\x7F\xE2\x80\xA8\"");
    assert_string_equal(v->valuestring, "\xC3\xA9\xF0\x9F\x98\x80/\\\"\b\f\n\r\t\xC3\xA9\x7F\xE2\x80\xA8");
    cJSON_Delete(v);
    static const char *const numbers[] = {"0", "-0", "0.0", "1E5", "1e-400", "123456789012345678901234567890", "0.1"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        v = must_parse(numbers[i]);
        assert_true(v->valuedouble == strtod(numbers[i], NULL));
        cJSON_Delete(v);
    }
    v = must_parse("{\"x\":1,\"o\":{\"x\":1},\"l\":[{\"x\":1},{\"x\":1}],\"X\":1}"); /* equal keys in different objects */
    cJSON_Delete(v);
}

static void every_prefix_is_refused(void **state) {
    (void)state;
    static const char text[] = "{\"a\\u00e9\":[1.5e-3,true,null,{\"\xC3\xA9\":\"\\ud83d\\ude00\\n\"}],\"b\":{}}";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        cJSON *value;
        assert_int_equal(parse(&value, text, size, NULL), CSO_ERR_INPUT);
    }
    cJSON_Delete(must_parse(text));
}

static void depth_and_count(void **state) {
    (void)state;
    char text[1000];
    cJSON *value;
    cso_error err = {0};
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(parse(&value, text, 2 * depth, &err), depth == 64 ? CSO_OK : CSO_ERR_INPUT);
        cJSON_Delete(value);
    }
    assert_non_null(strstr(err.message, "nested too deeply (expected at most 64 levels)"));
    size_t size = 100 << 20;
    char *open = malloc(size);
    assert_non_null(open);
    memset(open, '[', size);
    assert_int_equal(cso_json_parse(&value, open, size, "t", 1, &err), CSO_ERR_INPUT);
    for (size_t i = 1; i < size; i += 2) {
        open[i] = '1';
        open[i + 1 < size ? i + 1 : i] = ',';
    }
    assert_int_equal(cso_json_parse(&value, open, size, "t", 1, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "too many values"));
    free(open);
}

static void many_keys_fast(void **state) {
    (void)state;
    cso_text text = {0};
    cso_text_add(&text, "{", 1);
    for (int i = 0; i < 300000; i++)
        cso_text_format(&text, "%s\"key %d\":%d", i ? "," : "", i, i);
    cso_text_add(&text, "}", 1);
    assert_false(text.failed);
    cJSON *value;
    double begin = work_seconds();
    assert_int_equal(cso_json_parse(&value, text.data, text.size, "t", 1, NULL), CSO_OK);
    assert_true(work_seconds() - begin < 1.0);
    cJSON_Delete(value);
    free(text.data);
}

/* A duplicate is found in objects of any size, and named. */
static void duplicates_among_many(void **state) {
    (void)state;
    for (int count = 2; count <= 4096; count *= 2) {
        cso_text text = {0};
        cso_error err = {0};
        cJSON *value;
        cso_text_add(&text, "{\n", 2);
        for (int i = 0; i < count; i++)
            cso_text_format(&text, "\"key %d\":%d,\n", i, i);
        cso_text_format(&text, "\"key %d\":0}", count / 3);
        assert_false(text.failed);
        assert_int_equal(parse(&value, text.data, text.size, &err), CSO_ERR_INPUT);
        char expected[80];
        snprintf(expected, sizeof expected, "t.json:%d: duplicate key \"key %d\" (column 1)", count + 2, count / 3);
        assert_string_equal(err.message, expected);
        free(text.data);
    }
}

static void zero_characters(void **state) {
    (void)state;
    static const struct {
        const char *json, *text;
        size_t size;
    } cases[] = {
        {"\"\\u0000\"", "\0", 1},
        {"\"a\\u0000b\\u0000\"", "a\0b\0", 4},
        {"\"\\\\u0000\"", "\\u0000", 6}, /* an escaped backslash before u0000 */
        {"\"\\\\\\u0000\"", "\\\0", 2},  /* and before a zero */
        {"\"\\u0000\xC3\x80\\u0080\"", "\0\xC3\x80\xC2\x80", 5},
        {"\"plain\"", "plain", 5},
        {"\"\"", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *value = must_parse(cases[i].json);
        char *decoded;
        size_t size;
        assert_int_equal(cso_json_bytes(value, &decoded, &size, NULL), CSO_OK);
        assert_int_equal(size, cases[i].size);
        assert_memory_equal(decoded, cases[i].text, size + 1);
        cso_text direct = {0}, through = {0};
        cso_text_json_string(&direct, decoded, size);
        cso_text_json_string(&through, value->valuestring, strlen(value->valuestring));
        assert_string_equal(direct.data, cases[i].json);
        assert_string_equal(through.data, cases[i].json);
        free(direct.data);
        free(through.data);
        free(decoded);
        cJSON_Delete(value);
    }
    cJSON *value = must_parse("{\"k\\u0000\":1}");
    assert_string_equal(value->child->string, "k\xC0\x80");
    char *decoded;
    size_t size;
    assert_int_equal(cso_json_bytes(value, &decoded, &size, NULL), CSO_ERR_INPUT);
    assert_int_equal(cso_json_bytes(NULL, &decoded, &size, NULL), CSO_ERR_INPUT);
    cJSON_Delete(value);
}

static void integers_only(void **state) {
    (void)state;
    cJSON *value;
    static const char *const good[] = {"0", "7", "9007199254740992", "[1,{\"a\":\"1.5\"}]"};
    static const char *const bad[] = {"-0", "-1", "1.0", "1e0", "1E2", "9007199254740993000", "[1,2.5]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(cso_json_parse_integers(&value, good[i], strlen(good[i]), "t", NULL), CSO_OK);
        cJSON_Delete(value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(cso_json_parse_integers(&value, bad[i], strlen(bad[i]), "t", NULL), CSO_ERR_INPUT);
}

static void members(void **state) {
    (void)state;
    cJSON *v =
        must_parse("{\"s\":\"x\",\"n\":1.5,\"i\":3,\"neg\":-1,\"big\":1e300,\"b\":true,\"null\":null,\"max\":9007199254740992}");
    cso_error err = {0};
    const char *text = "?";
    double number = 0;
    size_t size = 0;
    bool flag = false;
    assert_int_equal(cso_json_string(v, "s", "p", &text, &err), CSO_OK);
    assert_string_equal(text, "x");
    assert_int_equal(cso_json_string(v, "none", "p", &text, &err), CSO_OK);
    assert_null(text);
    assert_int_equal(cso_json_string(v, "null", "p", &text, &err), CSO_OK);
    assert_null(text);
    assert_int_equal(cso_json_string(v, "n", "p", &text, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "p: n: expected a string");
    assert_int_equal(cso_json_number(v, "n", "p", 9, &number, &err), CSO_OK);
    assert_true(number == 1.5);
    assert_int_equal(cso_json_number(v, "none", "p", 9, &number, &err), CSO_OK);
    assert_true(number == 9);
    assert_int_equal(cso_json_number(v, "s", "p", 9, &number, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_json_size(v, "i", "p", 9, &size, &err), CSO_OK);
    assert_int_equal(size, 3);
    assert_int_equal(cso_json_size(v, "max", "p", 9, &size, &err), CSO_OK);
    assert_int_equal(size, (size_t)1 << 53);
    assert_int_equal(cso_json_size(v, "null", "p", 9, &size, &err), CSO_OK);
    assert_int_equal(size, 9);
    static const char *const bad[] = {"n", "neg", "big", "s", "b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(cso_json_size(v, bad[i], "p", 9, &size, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_json_bool(v, "b", "p", false, &flag, &err), CSO_OK);
    assert_true(flag);
    assert_int_equal(cso_json_bool(v, "none", "p", true, &flag, &err), CSO_OK);
    assert_true(flag);
    assert_int_equal(cso_json_bool(v, "i", "p", false, &flag, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "p: i: expected true or false");
    cJSON_Delete(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),         cmocka_unit_test(accepts),        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(depth_and_count), cmocka_unit_test(many_keys_fast), cmocka_unit_test(duplicates_among_many),
        cmocka_unit_test(zero_characters), cmocka_unit_test(integers_only),  cmocka_unit_test(members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
