/* test_status.c - messages: printable text is kept, the rest is escaped, and no message is too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/printable.h"
#include "base/status.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

static void formats_and_returns(void **state) {
    (void)state;
    cso_error err = {0};
    assert_int_equal(cso_fail(&err, CSO_ERR_INPUT, "%s:%d: bad", "f.json", 7), CSO_ERR_INPUT);
    assert_int_equal(err.status, CSO_ERR_INPUT);
    assert_string_equal(err.message, "f.json:7: bad");
    assert_int_equal(cso_fail(NULL, CSO_ERR_USAGE, "nobody listens"), CSO_ERR_USAGE);
    assert_int_equal(cso_error_prefix(NULL, CSO_ERR_USAGE, "nobody"), CSO_ERR_USAGE);
    assert_int_equal(cso_fail_memory(&err, "a tree"), CSO_ERR_SYSTEM);
    assert_string_equal(err.message, "out of memory for a tree");
    errno = ENOSPC;
    assert_int_equal(cso_fail_errno(&err, "write", "out/f"), CSO_ERR_SYSTEM);
    assert_string_equal(err.message, "out/f: cannot write: No space left on device");
}

static void escapes_what_a_terminal_obeys(void **state) {
    (void)state;
    cso_error err;
    cso_fail(&err, CSO_ERR_INPUT, "%s", "a\nb\x1b[2J\x7f \xc2\x9b \xff caf\xc3\xa9 \xe6\x84\x9b \xf0\x9f\x98\x80 \xe6\x84");
    assert_string_equal(err.message, "a\\x0ab\\x1b[2J\\x7f \\xc2\\x9b \\xff caf\xc3\xa9 \xe6\x84\x9b \xf0\x9f\x98\x80 \\xe6\\x84");
}

/* Bidirectional controls and line separators are escaped, letters that run from right to left and joiners are not. */
static void escapes_what_reorders_a_line(void **state) {
    (void)state;
    char out[64], small[8];
    assert_string_equal(cso_printable(out, sizeof out, "\xe2\x80\xaegpj.exe"), "\\xe2\\x80\\xaegpj.exe");
    assert_string_equal(cso_printable(out, sizeof out, "\xd8\x9c\xe2\x81\xa6\xe2\x80\xa8"),
                        "\\xd8\\x9c\\xe2\\x81\\xa6\\xe2\\x80\\xa8");
    assert_string_equal(cso_printable(out, sizeof out, "\xd7\xa9 \xe2\x80\x8d"), "\xd7\xa9 \xe2\x80\x8d");
    assert_string_equal(cso_printable(small, sizeof small, "ab\x1b\x1b"), "ab\\x1b");
    assert_int_equal(cso_printable_length("\xc2\x9f", 2), 0);
    assert_int_equal(cso_printable_length("\xc2\xa0", 2), 2);
    assert_int_equal(cso_printable_length("", 0), 0);
}

static void cuts_between_characters(void **state) {
    (void)state;
    char long_name[4000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(long_name, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof long_name; i += 3)
            memcpy(long_name + i, "\xe6\x84\x9b", 4);
        cso_error err;
        cso_fail(&err, CSO_ERR_INPUT, "%s", long_name);
        size_t length = strlen(err.message);
        assert_true(length < sizeof err.message && length > sizeof err.message - 5);
        assert_true(cso_utf8_check(err.message, length, NULL));
    }
}

static void prefixes(void **state) {
    (void)state;
    cso_error err;
    cso_fail(&err, CSO_ERR_INPUT, "no such key");
    assert_int_equal(cso_error_prefix(&err, CSO_ERR_USAGE, "%s:%d", "a.toml", 3), CSO_ERR_USAGE);
    assert_string_equal(err.message, "a.toml:3: no such key");
    assert_int_equal(err.status, CSO_ERR_USAGE);
    cso_fail(&err, CSO_ERR_INPUT, "(%s)", err.message); /* an argument may be the message itself */
    assert_string_equal(err.message, "(a.toml:3: no such key)");
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bad; /* SIZE_MAX: none */
    } cases[] = {
        {"", SIZE_MAX},
        {"plain ASCII text of some length", SIZE_MAX},
        {"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", SIZE_MAX},
        {"abcdefghij\x80", 10},
        {"\xc0\x80", 0},         /* overlong */
        {"\xc1\xbf", 0},         /* overlong */
        {"\xe0\x9f\xbf", 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"a\xed\xa0\x80", 1},    /* surrogate */
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"12345678\xe6\x84", 8}, /* cut */
        {"\xe6\x84z", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bad = SIZE_MAX;
        bool good = cso_utf8_check(cases[i].text, strlen(cases[i].text), &bad);
        assert_int_equal(good, cases[i].bad == SIZE_MAX);
        assert_int_equal(bad, cases[i].bad);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_and_returns),
        cmocka_unit_test(escapes_what_a_terminal_obeys),
        cmocka_unit_test(escapes_what_reorders_a_line),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
