/* test_screen_text.c - columns of texts, lines broken between words however the text is cut, and bars. */
#include "programs/generate/screen_text.h"
#include "programs/generate/strategy_bars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void columns(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t columns;
    } cases[] = {
        {"", 0},           {"abc", 3},          {"\u4f60\u597d", 4}, {"e\u0301", 1},
        {"\U0001F600", 2}, {"\u2764\uFE0F", 2}, {"a\033[1m", 8},     {"\xFF", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (screen_columns(cases[i].text, strlen(cases[i].text)) != cases[i].columns)
            fail_msg("\"%s\": %zu columns", cases[i].text, screen_columns(cases[i].text, strlen(cases[i].text)));
}

static void cuts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t columns;
        const char *cut;
    } cases[] = {
        {"abcdef", 6, "abcdef"},
        {"abcdefg", 6, "abc..."},
        {"abcdefg", 2, ".."},
        {"\u4f60\u597d\u4f60\u597d", 7, "\u4f60\u597d..."},
        {"\u4f60\u597d\u4f60\u597d", 6, "\u4f60..."},
        {"a\nb\tc", 5, "a b c"},
        {"a\033b", 6, "a\\x1Bb"},
        {"", 3, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_text line = {0};
        size_t used = screen_add_cut(&line, cases[i].text, strlen(cases[i].text), cases[i].columns);
        cso_text_add(&line, "", 0);
        if (strncmp(line.data ? line.data : "", cases[i].cut, line.size + 1) != 0 && line.size)
            fail_msg("%s: %.*s", cases[i].text, (int)line.size, line.data);
        assert_int_equal(line.size, strlen(cases[i].cut));
        assert_int_equal(used, screen_columns(cases[i].cut, strlen(cases[i].cut)));
        free(line.data);
    }
}

/* Writes a text in pieces of so many bytes. The caller frees. */
static char *written(const char *text, size_t width, size_t indent, size_t piece) {
    char *out = NULL;
    size_t size = 0, length = strlen(text);
    screen_writer w = {.out = open_memstream(&out, &size), .width = width, .indent = indent, .column = indent};
    for (size_t at = 0; at < length;) {
        size_t step = length - at < piece ? length - at : piece;
        while (at + step < length && (text[at + step] & 0xC0) == 0x80)
            step++; /* pieces are whole characters */
        screen_write(&w, text + at, step);
        at += step;
    }
    screen_flush(&w);
    fclose(w.out);
    screen_writer_free(&w);
    return out;
}

static void lines(void **state) {
    (void)state;
    static const struct {
        size_t width, indent;
        const char *text, *lines;
    } cases[] = {
        {10, 0, "one two three four", "one two\nthree four"},
        {10, 2, "one two three four", "one two\n  three\n  four"},
        {0, 0, "one two three four", "one two three four"},
        {10, 0, "\n\none\n\ntwo", "one\n\ntwo"},
        {10, 0, "a\n  indented code", "a\n  indented\ncode"},
        {5, 0, "abcdefghijkl m", "abcde\nfghij\nkl m"},
        {7, 0, "\u4f60\u597d\u4f60\u597d\u4f60", "\u4f60\u597d\u4f60\n\u597d\u4f60"},
        {6, 0, "\u4f60\u597d\u4f60\u3002\u597d", "\u4f60\u597d\n\u4f60\u3002\u597d"}, /* a full stop begins no line */
        {6, 0, "abc \U0001F468\u200D\U0001F469\u200D\U0001F467 d",
         "abc\n\U0001F468\u200D\U0001F469\u200D\U0001F467\nd"}, /* one family */
        {20, 0, "red \033[31m text \x07", "red \\x1B[31m text\n\\x07"},
        {10, 0, "trailing  ", "trailing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 12; piece += 3) {
            char *out = written(cases[i].text, cases[i].width, cases[i].indent, piece);
            if (strcmp(out, cases[i].lines))
                fail_msg("case %zu in pieces of %zu: %s", i, piece, out);
            free(out);
        }
}

/* Every line of the bars has at most the terminal's columns, and names are whole where there is room. */
static void bars(void **state) {
    (void)state;
    const cso_strategies *known = cso_strategies_builtin();
    double probabilities[8] = {0.61, 0.001, 0, 0.2, 0.1, 0.08, 0.009, 0};
    for (size_t width = 20; width < 160; width += 7)
        for (int blocks = 0; blocks < 2; blocks++) {
            cso_text text = {0};
            const bar_style style = {.columns = width, .bold = false, .blocks = blocks};
            strategy_bars_add(&text, known, probabilities, 3, &style);
            size_t count = 0, longest = 0;
            for (char *line = text.data, *next; (next = strchr(line, '\n')); line = next + 1, count++) {
                size_t used = screen_columns(line, (size_t)(next - line));
                longest = used > longest ? used : longest;
                if (used >= width)
                    fail_msg("%zu columns of %zu: %.*s", used, width, (int)(next - line), line);
                assert_int_equal(line[0], count == 3 ? '*' : ' ');
                assert_memory_equal(next - 2, " %", 2);
            }
            assert_int_equal(count, 8);
            if (width >= 80)
                assert_non_null(strstr(text.data, "Provide Different Perspectives"));
            assert_non_null(strstr(text.data, " 61 %"));
            assert_non_null(strstr(text.data, " <1 %"));
            assert_true((strstr(text.data, "\u2588") != NULL) == (blocks && width > 25));
            free(text.data);
        }
}

int main(void) {
    screen_locale();
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns), cmocka_unit_test(cuts), cmocka_unit_test(lines),
                                       cmocka_unit_test(bars)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
