/* test_stop_texts.c - stop texts found in streams that are cut in every way. */
#include "decode/stop_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 5, LONGEST = 64 };

/* Where the text is cut by searching each end, the longest stop first; -1: nowhere. */
static long plain_cut(const char *text, const char *const *stops, size_t n) {
    for (size_t end = 1; end <= strlen(text); end++) {
        size_t longest = 0;
        for (size_t j = 0; j < n; j++) {
            size_t size = strlen(stops[j]);
            if (size <= end && size > longest && !memcmp(text + end - size, stops[j], size))
                longest = size;
        }
        if (longest)
            return (long)(end - longest);
    }
    return -1;
}

/* The longest end of the text that is a true beginning of a stop. */
static size_t plain_held(const char *text, size_t size, const char *const *stops, size_t n) {
    size_t held = 0;
    for (size_t j = 0; j < n; j++)
        for (size_t length = 1; length < strlen(stops[j]) && length <= size; length++)
            if (length > held && !memcmp(text + size - length, stops[j], length))
                held = length;
    return held;
}

/* Bit i of cuts: the stream is cut after byte i. */
static void check_cut(const cso_stop_texts *stops, const char *text, const char *const *texts, uint64_t cuts) {
    size_t states[MOST] = {0}, done = 0, size = strlen(text), end, length;
    long expected = plain_cut(text, texts, stops->n);
    for (size_t i = 0; i < size; i++) {
        if (i + 1 < size && !(cuts >> i & 1))
            continue;
        if (cso_stop_texts_find(stops, states, text + done, i + 1 - done, &end, &length)) {
            assert_int_equal(done + end - length, expected);
            return;
        }
        done = i + 1;
        assert_int_equal(cso_stop_texts_held(stops, states), plain_held(text, done, texts, stops->n));
    }
    assert_int_equal(expected, -1);
}

static void every_cut(void **state) {
    (void)state;
    static const char *const texts[][MOST] = {
        {"aba"}, {"aab", "b"}, {"abcd", "bc"}, {"bc", "abcd", "c"}, {"\n\n", "\nUser:"}, {"aabaa", "abaab", "baaba"}, {"x"}};
    static const char *const streams[] = {"aaabaababab", "abcabdabcd", "ab\n\n", "ab\nUs\nUser: b",
                                          "aabaabaabaa", "",           "bab",    "abababa"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        size_t n = 0;
        while (n < MOST && texts[t][n])
            n++;
        cso_stop_texts stops;
        assert_int_equal(cso_stop_texts_open(&stops, texts[t], n, NULL), CSO_OK);
        for (size_t s = 0; s < sizeof streams / sizeof *streams; s++)
            for (uint64_t cuts = 0; cuts < UINT64_C(1) << strlen(streams[s]); cuts++)
                check_cut(&stops, streams[s], texts[t], cuts);
        cso_stop_texts_close(&stops);
    }
}

/* Texts of two letters, so that beginnings and ends overlap. */
static void random_texts(void **state) {
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        char memory[MOST][8], stream[LONGEST];
        const char *texts[MOST];
        size_t n = 1 + (seed = seed * 1664525 + 1013904223) % MOST;
        for (size_t j = 0; j <= n; j++) {
            char *to = j < n ? memory[j] : stream;
            size_t size = j < n ? 1 + (seed >> 8) % 7 : LONGEST - 1;
            for (size_t i = 0; i < size; i++)
                to[i] = (char)('a' + ((seed = seed * 1664525 + 1013904223) >> 20) % (j < n ? 2 : 3));
            to[size] = '\0';
            if (j < n)
                texts[j] = to;
        }
        cso_stop_texts stops;
        assert_int_equal(cso_stop_texts_open(&stops, texts, n, NULL), CSO_OK);
        check_cut(&stops, stream, texts, (uint64_t)seed << 32 | (seed ^ 0x5bd1e995));
        check_cut(&stops, stream, texts, UINT64_MAX);
        cso_stop_texts_close(&stops);
    }
}

static void empty_text(void **state) {
    (void)state;
    const char *const texts[] = {"a", ""};
    cso_stop_texts stops;
    cso_error error = {0};
    assert_int_equal(cso_stop_texts_open(&stops, texts, 2, &error), CSO_ERR_USAGE);
    assert_string_equal(error.message, "a stop text must not be empty");
    assert_int_equal(cso_stop_texts_open(&stops, NULL, 0, &error), CSO_OK);
    cso_stop_texts_close(&stops);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cut), cmocka_unit_test(random_texts), cmocka_unit_test(empty_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
