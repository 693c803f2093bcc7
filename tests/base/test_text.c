/* test_text.c - text and digest helpers. */
#include "base/digest.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void beginnings_and_endings(void **state) {
    (void)state;
    assert_true(cso_ends_with("a.gguf", ".gguf") && cso_ends_with(".gguf", ".gguf") && cso_ends_with("x", ""));
    assert_false(cso_ends_with("gguf", ".gguf") || cso_ends_with("a.gguf2", ".gguf") || cso_ends_with("", "x"));
    assert_true(cso_starts_with("lora.rank", "lora.") && cso_starts_with("x", "x") && cso_starts_with("", ""));
    assert_false(cso_starts_with("lor", "lora.") || cso_starts_with("flora.", "lora."));
}

static void numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        int min_digits;
        const char *text;
    } cases[] = {
        {0, 1, "0"},
        {-0.0, 1, "-0"},
        {0.1, 1, "0.1"},
        {1e-5, 1, "1e-05"},
        {100000, 1, "1e+05"},
        {100000, 6, "100000"},
        {1234567, 6, "1234567"},
        {0.1 + 0.2, 6, "0.30000000000000004"},
        {1.0 / 3, 15, "0.3333333333333333"},
        {5e-324, 1, "5e-324"},
        {-1.7976931348623157e308, 6, "-1.7976931348623157e+308"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CSO_NUMBER_TEXT];
        cso_number_text(text, cases[i].value, cases[i].min_digits);
        assert_string_equal(text, cases[i].text);
        assert_true(strtod(text, NULL) == cases[i].value);
    }
}

/* Of xxHash's own published values: the empty input; and pieces give what the whole gives. */
static void digests(void **state) {
    (void)state;
    char hex[CSO_DIGEST_HEX], again[CSO_DIGEST_HEX], bytes[1000];
    uint64_t low, high;
    cso_digest_bytes("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 13);
    cso_digest_bytes(bytes, sizeof bytes, hex);
    cso_digest digest;
    cso_digest_begin(&digest);
    for (size_t at = 0, size = 0; at < sizeof bytes; at += size, size = size * 2 + 1) {
        size = size < sizeof bytes - at ? size : sizeof bytes - at;
        cso_digest_add(&digest, bytes + at, size);
    }
    cso_digest_hex(&digest, again);
    assert_string_equal(hex, again);
    cso_digest_words(&digest, &low, &high);
    assert_true(strtoull(hex + 16, NULL, 16) == low);
    hex[16] = '\0';
    assert_true(strtoull(hex, NULL, 16) == high);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginnings_and_endings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
