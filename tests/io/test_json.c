/* test_json.c - strictness, lines, zero characters, streaming of records, typed members, output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "bytes.h"
#include "io/json.h"
#include "io/json_walk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
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
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *value;
        cso_error err = {0};
        cso_status status = parse(&value, cases[i].text, strlen(cases[i].text), &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, cases[i].message)) {
            print_error("%s: status %d, message '%s' (expected '%s')\n", cases[i].text, status, err.message, cases[i].message);
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

static void large_values(void **state) {
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF{\"vocab\":1,\"model\" : {\"merges\":[ \"a b\" ,[\"}\",\"\\\"]\"], {\"k\":{},\"l\":[]} ,-1.5e1 ],"
        "\"n\":\"\\u0000\",\"vocab\":{\"a\\u00e9\":0,\"\\u0000\":17 }},\"z\":{\"vocab\":[1,2]}}";
    cso_json_large large[] = {
        {.object = "model", .key = "vocab"}, {.object = "model", .key = "merges"}, {.object = "model", .key = "none"}};
    cso_json_room room = {0};
    cso_error err = {0};
    cJSON *value;
    if (cso_json_parse_large(&value, text, sizeof text - 1, "t", large, 3, &err) != CSO_OK)
        fail_msg("%s", err.message);
    char *printed = cJSON_PrintUnformatted(value);
    assert_string_equal(printed,
                        "{\"vocab\":1,\"model\":{\"merges\":null,\"n\":\"\xC0\x80\",\"vocab\":null},\"z\":{\"vocab\":[1,2]}}");
    cJSON_free(printed);
    cJSON_Delete(value);
    assert_null(large[2].text);
    assert_int_equal(large[0].items, 2);
    assert_int_equal(large[1].items, 4);

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

    walk = cso_json_walk_begin(large[0].text, large[0].size);
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

    /* What is no array or object has no items; what is wrong inside a large value is refused like anywhere. */
    static const char *const others[] = {"7", "\"[1]\"", "null", "{}", " [ ] "};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        walk = cso_json_walk_begin(others[i], strlen(others[i]));
        assert_false(cso_json_walk_next(&walk));
    }
    static const char *const bad[] = {"{\"model\":{\"vocab\":{\"a\":0,\"a\":1}}}", "{\"model\":{\"vocab\":[1,]}}",
                                      "{\"model\":{\"vocab\":{\"a\":0}}", "{\"model\":{\"vocab\":{},\"vocab\":{}}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cso_json_parse_large(&value, bad[i], strlen(bad[i]), "t", large, 1, &err), CSO_ERR_INPUT);
        assert_null(value);
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
        {"\"\\u0000\xC3\x80\xC2\x80\"", "\0\xC3\x80\xC2\x80", 5},
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

/* ---- records ---- */

typedef struct seen {
    size_t count, lines[16], stop_at;
    int values[16];
} seen;

static cso_status see(void *context, const cJSON *record, size_t line, cso_error *err) {
    seen *s = context;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, "v");
    s->lines[s->count] = line;
    s->values[s->count++] = value ? value->valueint : -1;
    return s->count == s->stop_at ? cso_fail(err, CSO_ERR_NUMERIC, "enough") : CSO_OK;
}

static const char *save(const char *name, const char *text, size_t size) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bytes_save(path, text, size);
    return path;
}

static void assert_each(const char *name, const char *text, size_t count, const size_t *lines) {
    seen s = {0};
    cso_error err = {0};
    cso_status status = cso_json_each(save(name, text, strlen(text)), see, &s, &err);
    if (status != CSO_OK)
        print_error("%s: %s\n", text, err.message);
    assert_int_equal(status, CSO_OK);
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(s.values[i], (int)i);
        assert_int_equal(s.lines[i], lines[i]);
    }
}

static void assert_each_fails(const char *name, const char *text, size_t count, const char *message) {
    seen s = {0};
    cso_error err = {0};
    const char *path = save(name, text, strlen(text));
    cso_status status = cso_json_each(path, see, &s, &err);
    const char *rest = err.message + strlen(path);
    if (status != CSO_ERR_INPUT || strncmp(err.message, path, strlen(path)) || !strstr(rest, message)) {
        print_error("%s: status %d, message '%s' (expected '%s')\n", text, status, err.message, message);
        fail();
    }
    assert_int_equal(s.count, count);
}

static void records(void **state) {
    (void)state;
    static const char *const names[] = {"d.jsonl", "d.json", "d.txt"};
    for (int i = 0; i < 3; i++) {
        assert_each(names[i], "", 0, NULL);
        assert_each(names[i], " \n\n", 0, NULL);
        assert_each(names[i], "[]", 0, NULL);
        assert_each(names[i], "{\"v\":0}", 1, (size_t[]){1});
        assert_each(names[i], "{\"v\":0}\n{\"v\":1}\n", 2, (size_t[]){1, 2});
        assert_each(names[i], "\xEF\xBB\xBF\n\n {\"v\":0}\r\n\r\n  \n{\"v\":1}", 2, (size_t[]){3, 6});
        assert_each(names[i], "{\"v\":0,\"t\":\"\xE2\x80\xA8\"}\n{\"v\":1}\n", 2, (size_t[]){1, 2}); /* U+2028 ends no line */
        assert_each(names[i], "[{\"v\":0}]", 1, (size_t[]){1});
        assert_each(names[i], "\n[\n {\"v\":0},{\"v\":1}\n,\n\n {\"v\":2,\n\"]\":\"},{\\\"[\"} ]\n\n", 3, (size_t[]){3, 3, 6});
        assert_each(names[i], "\xEF\xBB\xBF[ {\"v\":0, \"a\":[[1],{\"b\":[2]}]} , {\"v\":1}]", 2, (size_t[]){1, 1});
    }
    assert_each("d.json", "\n{\n \"v\": 0,\n \"a\": [\n1]\n}\n", 1, (size_t[]){2}); /* one object over lines */
}

static void bad_records(void **state) {
    (void)state;
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":1\n{\"v\":2}\n", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\n\"v\":0}\n", 0, ":1: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\"v\":0}{\"v\":1}\n", 0, ":1: expected nothing after the value");
    assert_each_fails("d.jsonl", "{\"v\":0}\n\n7\n", 1, ":3: expected a record");
    assert_each_fails("d.jsonl", "{\"v\":0}\n[]\n", 1, ":2: expected a record");
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":\"a\xFF\"}\n", 1, ":2: is not UTF-8");
    assert_each_fails("d.jsonl", "\"text\"\n", 0, ":1: expected a record");
    assert_each_fails("d.jsonl", "\xEF\xBB{}\n", 0, ":1: expected a record");
    assert_each_fails("d.json", "{\"v\":0}\n{\"v\":1\n", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.json", "{\n\"v\":0}\n{\"v\":1}\n", 0, ":3: expected nothing after the value");
    assert_each_fails("d.json", "{\"v\":\"not closed\n}", 0, ":1: a string is not closed");
    assert_each_fails("d.json", "[{\"v\":0},]", 1, ":1: expected a record, found ']'");
    assert_each_fails("d.json", "[,{\"v\":0}]", 0, ":1: expected a record, found ','");
    assert_each_fails("d.json", "[\n{\"v\":0}\n", 0, ":3: the array is not closed");
    assert_each_fails("d.json", "[", 0, "the array is not closed");
    assert_each_fails("d.json", "[{\"v\":0},", 1, "the array is not closed");
    assert_each_fails("d.json", "[{\"v\":0} {\"v\":1}]", 0, "expected nothing after the value");
    assert_each_fails("d.json", "[{\"v\":0},\n{\"v\":\n\"a\n\"}]", 1, ":3: a string is not closed");
    assert_each_fails("d.json", "[{\"v\":0},\n{\"v\":1,\n\n\"v\":2}]", 1, ":4: duplicate key");
    assert_each_fails("d.json", "[{\"v\":0}]\n\nx", 1, ":3: expected nothing after the array");
    assert_each_fails("d.json", "[{\"v\":0}][]", 1, "expected nothing after the array");
    assert_each_fails("d.json", "[1]", 0, ":1: expected a record");
    assert_each_fails("d.json", "[{]", 0, ":1: ");
    seen s = {.stop_at = 2};
    cso_error err = {0};
    assert_int_equal(cso_json_each(save("d.jsonl", "{}\n{}\n{}\n", 9), see, &s, &err), CSO_ERR_NUMERIC);
    assert_int_equal(s.count, 2);
    assert_int_equal(cso_json_each("/nowhere/d.jsonl", see, &s, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "/nowhere/d.jsonl: cannot open: No such file or directory");
    assert_int_equal(cso_json_each(folder, see, &s, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "is a folder"));
}

static void from_a_pipe(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        FILE *file = fopen(path, "w");
        for (int i = 0; file && i < 3; i++)
            fprintf(file, "{\"v\":%d}\n", i);
        _exit(!file || fclose(file));
    }
    seen s = {0};
    assert_int_equal(cso_json_each(path, see, &s, NULL), CSO_OK);
    assert_int_equal(s.count, 3);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void reads_files(void **state) {
    (void)state;
    cJSON *value;
    cso_error err = {0};
    const char *path = save("c.json", "{\"a\":\n1,}", 9);
    assert_int_equal(cso_json_read(&value, path, 100, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "c.json:2: expected a key in quotes"));
    assert_int_equal(cso_json_read(&value, path, 8, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "too large"));
    assert_int_equal(cso_json_read(&value, save("c.json", "{\"a\":1}", 7), 100, &err), CSO_OK);
    cJSON_Delete(value);
}

/* ---- output ---- */

static void output(void **state) {
    (void)state;
    cso_text t = {0};
    cso_text_json_string(&t, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xC3\xA9\xFF\xE6\x84\0z", 19);
    assert_string_equal(t.data,
                        "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\\u0000z\"");
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
        cmocka_unit_test(refuses),         cmocka_unit_test(accepts),         cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(depth_and_count), cmocka_unit_test(many_keys_fast),  cmocka_unit_test(duplicates_among_many),
        cmocka_unit_test(large_values),    cmocka_unit_test(zero_characters), cmocka_unit_test(integers_only),
        cmocka_unit_test(members),         cmocka_unit_test(records),         cmocka_unit_test(bad_records),
        cmocka_unit_test(from_a_pipe),     cmocka_unit_test(reads_files),     cmocka_unit_test(output),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
