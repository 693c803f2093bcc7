/* test_option.c - option rows: several tables as one, ranges and values as texts. */
#include "base/option.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"red", "green", NULL};
typedef enum color { RED, GREEN } color;

typedef struct outer {
    bool flag;
    struct inner {
        size_t size;
        double pair[2];
    } inner;
    color color;
    cso_strings list;
} outer;

static const cso_option outer_rows[] = {
    {"a.flag", CSO_OPTION_BOOL, offsetof(outer, flag), CSO_RANGE_ANY, NULL, "false", CSO_IDENTITY_OWN, 0, "a flag"},
    {"a.color", CSO_OPTION_CHOICE, offsetof(outer, color), CSO_RANGE_ANY, words, "\"red\"", CSO_IDENTITY_OWN, 0, "a color"},
    {"a.list", CSO_OPTION_PATHS, offsetof(outer, list), CSO_RANGE_ANY, NULL, "[]", CSO_IDENTITY_FREE, 0, "a list"},
};
static const cso_option inner_rows[] = {
    {"b.size", CSO_OPTION_SIZE, offsetof(struct inner, size), CSO_RANGE_FROM(1), NULL, "1", CSO_IDENTITY_FREE, 0, "a size"},
    {"b.pair", CSO_OPTION_NUMBERS2, offsetof(struct inner, pair), CSO_RANGE_ANY, NULL, "[0, 0]", CSO_IDENTITY_OWN, 0, "a pair"},
};
static const cso_option_list outer_list = {outer_rows, 3}, empty_list = {outer_rows, 0}, inner_list = {inner_rows, 2};
static const cso_option_table tables[] = {{&outer_list, 0}, {&empty_list, 0}, {&inner_list, offsetof(outer, inner)}};
static const cso_option_set set = {tables, 3};

static void places(void **state) {
    (void)state;
    static const char *const names[] = {"a.flag", "a.color", "a.list", "b.size", "b.pair"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(cso_options_at(&set, i).row->name, names[i]);
        assert_ptr_equal(cso_options_find(&set, names[i]).row, cso_options_at(&set, i).row);
    }
    assert_null(cso_options_at(&set, 5).row);
    assert_null(cso_options_find(&set, "b.none").row);
    assert_int_equal(cso_options_find(&set, "b.pair").offset, offsetof(outer, inner.pair));
    assert_int_equal(cso_options_find(&set, "a.color").offset, offsetof(outer, color));
}

static void values(void **state) {
    (void)state;
    outer o = {.flag = true, .inner = {7, {0.1, 1e6}}, .color = GREEN, .list = {NULL, 2}};
    static const char *const expected[] = {"true", "green", "2 texts", "7", "1e+06"};
    char text[20];
    for (size_t i = 0; i < 5; i++) {
        cso_option_place place = cso_options_at(&set, i);
        cso_option_text(place.row, (char *)&o + place.offset, i == 4, text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
    cso_option_text(&inner_rows[1], o.inner.pair, 0, text, sizeof text);
    assert_string_equal(text, "0.1");
    assert_true(cso_option_parts(&inner_rows[1]) == 2 && cso_option_parts(&inner_rows[0]) == 1);
    const double four[4] = {1, 2, 3, 0.25};
    const cso_option row = {"b.four", CSO_OPTION_NUMBERS4, 0, CSO_RANGE_ANY, NULL, "[0, 0, 0, 0]", CSO_IDENTITY_OWN, 0, "four"};
    assert_int_equal(cso_option_parts(&row), 4);
    cso_option_text(&row, four, 3, text, sizeof text);
    assert_string_equal(text, "0.25");
    cso_option_text(&outer_rows[1], &o.color, 0, text, 4); /* cut */
    assert_string_equal(text, "gre");
}

static void ranges(void **state) {
    (void)state;
    static const struct {
        cso_option_range range;
        const char *text;
        double inside, outside;
    } cases[] = {
        {CSO_RANGE_FROM(0), ">= 0", 0, -1e-300},
        {CSO_RANGE_ABOVE(0, 0), "> 0", 1e-300, 0},
        {CSO_RANGE_ABOVE(0, 10), "> 0 and <= 10", 10, 10.5},
        {CSO_RANGE_ZERO_OR(1e-3, 10), "0 or from 0.001 to 10", 0, 1e-4},
        {CSO_RANGE_ZERO_OR(1e-3, 10), "0 or from 0.001 to 10", 1e-3, -1e-3},
        {CSO_RANGE_BETWEEN(1, 65536), "from 1 to 65536", 65536, 65537},
        {CSO_RANGE_BETWEEN(-1, 1), "from -1 to 1", -1, -2},
        {CSO_RANGE_BELOW(0, 1), ">= 0 and < 1", 0, 1},
        {{0, 1, true, false, 0}, "> 0 and <= 1", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[80];
        cso_option_range_text(&cases[i].range, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        assert_true(cso_option_in_range(&cases[i].range, cases[i].inside));
        assert_false(cso_option_in_range(&cases[i].range, cases[i].outside));
        assert_false(cso_option_in_range(&cases[i].range, NAN) || cso_option_in_range(&cases[i].range, INFINITY));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(values),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
