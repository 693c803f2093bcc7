/* test_toml.c - flattening, order and lines, and refused texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bytes.h"
#include "io/toml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static cso_status parse(cso_toml *toml, const char *text, size_t size, cso_error *err) {
    uint8_t *exact = bytes_exact(text, size);
    cso_status status = cso_toml_parse(toml, (const char *)exact, size, "c.toml", err);
    free(exact);
    return status;
}

static const char nested_text[] = "\xEF\xBB\xBF"
                                  "top = 'x' # comment [ { \"\n"
                                  "[train]\n"
                                  "steps = 1_000\n"
                                  "rate = 1e-5\n"
                                  "betas = [0.9, 1]\n"
                                  "on = true\n"
                                  "[lora]\n"
                                  "[data]\n"
                                  "train = [\n  \"a.json\", # ] }\n  'b[{.json',\n]\n"
                                  "none = []\n"
                                  "mixed = [1, 'a']\n"
                                  "day = 2024-02-29\n"
                                  "inline = { b = 1, a = \"z\" }\n"
                                  "dotted.key = -0x1 # not TOML\n";

static const struct {
    const char *key;
    int line;
    cso_toml_type type;
} expected[] = {
    {"top", 1, CSO_TOML_STRING},
    {"train.steps", 3, CSO_TOML_INTEGER},
    {"train.rate", 4, CSO_TOML_FLOAT},
    {"train.betas", 5, CSO_TOML_NUMBERS},
    {"train.on", 6, CSO_TOML_BOOL},
    {"data.train", 9, CSO_TOML_STRINGS},
    {"data.none", 13, CSO_TOML_EMPTY_ARRAY},
    {"data.mixed", 14, CSO_TOML_OTHER},
    {"data.day", 15, CSO_TOML_OTHER},
    {"data.inline.b", 16, CSO_TOML_INTEGER},
    {"data.inline.a", 16, CSO_TOML_STRING},
};

static void flattens(void **state) {
    (void)state;
    cso_toml t;
    cso_error err = {0};
    assert_int_equal(parse(&t, nested_text, sizeof nested_text - 1, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "c.toml:17: "));
    assert_int_equal(t.count, 0);
    size_t size = (size_t)(strstr(nested_text, "dotted") - nested_text);
    assert_int_equal(parse(&t, nested_text, size, &err), CSO_OK);
    assert_int_equal(t.count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < t.count; i++) {
        assert_string_equal(t.entries[i].key, expected[i].key);
        assert_int_equal(t.entries[i].line, expected[i].line);
        assert_int_equal(t.entries[i].type, expected[i].type);
    }
    assert_string_equal(t.entries[0].string, "x");
    assert_int_equal(t.entries[1].integer, 1000);
    assert_true(t.entries[1].number == 1000.0);
    assert_true(t.entries[2].number == 1e-5);
    assert_int_equal(t.entries[3].count, 2);
    assert_true(t.entries[3].numbers[0] == 0.9 && t.entries[3].numbers[1] == 1.0);
    assert_true(t.entries[4].boolean);
    assert_int_equal(t.entries[5].count, 2);
    assert_string_equal(t.entries[5].strings[1], "b[{.json");
    static const char *const tables[] = {"train", "lora", "data", "data.inline"};
    assert_int_equal(t.table_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(t.tables[i], tables[i]);
    cso_toml_free(&t);
    cso_toml_free(&t);
}

static void values(void **state) {
    (void)state;
    static const char text[] =
        "inf = inf\nminus = -inf\nnan = nan\nmin = -9223372036854775808\nhex = 0xFF\n"
        "\"a.b\" = 1\n'c d'.e = 2\nx.y.z = '''\nmulti [[[\n'''\ns = \"\\u00e9\\\"[\\\\\"\n[[list]]\na = 1\n[[list]]\n";
    cso_toml t;
    cso_error err = {0};
    assert_int_equal(parse(&t, text, sizeof text - 1, &err), CSO_OK);
    assert_true(isinf(t.entries[0].number) && t.entries[0].number > 0);
    assert_true(isinf(t.entries[1].number) && t.entries[1].number < 0);
    assert_true(isnan(t.entries[2].number));
    assert_int_equal(t.entries[3].integer, INT64_MIN);
    assert_int_equal(t.entries[4].integer, 255);
    assert_string_equal(t.entries[5].key, "\"a.b\""); /* is not the key b of a table a */
    assert_string_equal(t.entries[6].key, "\"c d\".e");
    assert_string_equal(t.entries[7].key, "x.y.z");
    assert_string_equal(t.entries[7].string, "multi [[[\n");
    assert_string_equal(t.entries[8].string, "\xC3\xA9\"[\\");
    assert_string_equal(t.entries[9].key, "list");
    assert_int_equal(t.entries[9].type, CSO_TOML_TABLES);
    assert_int_equal(t.entries[9].count, 2);
    assert_int_equal(t.count, 11);
    assert_string_equal(t.entries[10].key, "list[0].a");
    assert_int_equal(t.entries[10].line, t.entries[9].line + 1);
    cso_toml_free(&t);
    assert_int_equal(parse(&t, "", 0, &err), CSO_OK);
    assert_int_equal(t.count, 0);
    cso_toml_free(&t);
}

static void refuses(void **state) {
    (void)state;
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"a = 1\na = 2", "c.toml:2: "},
        {"[a]\nx = 1\n[a]", "c.toml:3: "},
        {"a.b = 1\na = 2", "c.toml:2: "},
        {"a.b.c = 1\n[a.b]\nd = 1", "c.toml:2: "},
        {"a = { x = 1, x = 2 }", "c.toml:1: "},
        {"a = '\xFF'", "c.toml:1: "},
        {"a = 1\rb = 2", "c.toml:1: "},
        {"a = 9223372036854775808", "c.toml:1: "},
        {"a = -0x1", "c.toml:1: "},
        {"a = 1__1", "c.toml:1: "},
        {"a = 01", "c.toml:1: "},
        {"\na = 9e99999", "c.toml:2: "},
        {"a = [1.0,\n9e99999]", "c.toml:2: "},
        {"a = ", "c.toml:1: "},
        {"a", "c.toml:1: "},
        {"a = 'x", "c.toml:1: "},
        {"a = \"\\q\"", "c.toml:1: "},
        {"a = \"\\u0000\"", "c.toml:1: a string with a zero character"},
        {"\na = ['x', \"\\u0000\"]", "c.toml:2: a string with a zero character"},
        {"\"\\u0000\" = 1", "c.toml:1: a key with a zero character"},
        {"a = \"\\ud800\"", "c.toml:1: "},
        {"a = 2024-13-01", "c.toml:1: "},
        {"[a", "c.toml:1: "},
        {"a = 1 b = 2", "c.toml:1: "},
        {"a = 5\"\xC3\xA9\"", "c.toml:1: a string or bracket begins inside of something else"},
        {"a = \"\"\"x\\\n  \xC3\xA9\"\"\"", "c.toml:1: a backslash before a character that is not ASCII"},
        {"a = \"\\\xC3\xA9\"", "c.toml:1: a backslash before a character that is not ASCII"},
        {"a = 5['\xC3\xA9']", "c.toml:1: a string or bracket begins inside of something else"},
        {"a = [\n5='\xC3\xA9']", "c.toml:2: a second '='"},
        {"a = 5='\xC3\xA9'", "c.toml:1: a second '='"},
        {"\n# caf\xC3\xA9\nq\xCE\x9D = [0]", "c.toml:3: a character that is not ASCII outside of a string or comment"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cso_toml t;
        cso_error err = {0};
        cso_status status = parse(&t, cases[i].text, strlen(cases[i].text), &err);
        if (status != CSO_ERR_USAGE || strncmp(err.message, cases[i].place, strlen(cases[i].place))) {
            print_error("%s: status %d, message '%s' (expected '%s')\n", cases[i].text, status, err.message, cases[i].place);
            fail();
        }
        assert_int_equal(t.count, 0);
        cso_toml_free(&t);
    }
    cso_toml t;
    assert_int_equal(parse(&t, "a = 1\0", 6, NULL), CSO_ERR_USAGE);
}

/* Texts that would overflow the stack of a recursive parser or its destructors. */
static void depth_and_size(void **state) {
    (void)state;
    size_t size = 1 << 20;
    char *text = malloc(size + 1);
    assert_non_null(text);
    static const char *const repeated[] = {"[", "{a=", "a.", "[[", "'a'.", "\"\".", "a . "};
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        size_t length = strlen(repeated[i]), at = (size_t)(i < 2) * 4;
        memcpy(text, "a = ", 4);
        for (; at + length <= size; at += length)
            memcpy(text + at, repeated[i], length);
        cso_toml t;
        cso_error err = {0};
        assert_int_equal(cso_toml_parse(&t, text, at, "c.toml", &err), CSO_ERR_USAGE);
        assert_string_equal(err.message, "c.toml:1: nested too deeply (expected at most 64 levels)");
    }
    memset(text, '\n', size + 1);
    cso_toml t;
    cso_error err = {0};
    assert_int_equal(cso_toml_parse(&t, text, size, "c.toml", &err), CSO_OK);
    cso_toml_free(&t);
    assert_int_equal(cso_toml_parse(&t, text, size + 1, "c.toml", &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "too large"));
    free(text);
    static const char strings[] =
        "a = \"\"\"x\"\"\"\nb = '''['''\nc = \"\\\"[\"\nd = '['\ne = \"\"\nf = ''\n"
        "g = \"\"\"\"quoted\" ...................................................................\"\"\"\n";
    assert_int_equal(parse(&t, strings, sizeof strings - 1, &err), CSO_OK); /* dots and brackets in strings do not count */
    assert_int_equal(t.count, 7);
    cso_toml_free(&t);
    static const char tight[] =
        "a={b=[{c=1},{c=[\"\xC3\xA9\",'x']}],d={}}#=\n[x.\"y\"]#\n'\xC3\xA9'=\"=\"\n\"q\".r=[[1],[2,],\n[]]\n";
    assert_int_equal(parse(&t, tight, sizeof tight - 1, &err), CSO_OK); /* nothing between what TOML lets stand together */
    assert_int_equal(t.count, 5);
    assert_string_equal(t.entries[2].key, "a.b[1].c");
    cso_toml_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(flattens), cmocka_unit_test(values), cmocka_unit_test(refuses),
                                       cmocka_unit_test(depth_and_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
