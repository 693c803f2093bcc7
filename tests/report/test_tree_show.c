/* test_tree_show.c - a tree for a terminal. */
#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "report_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#define DISC   "\xE2\x97\x8F "
#define SQUARE "\xE2\x96\xA0 "
#define CIRCLE "\xE2\x97\x8B "
#define FORK   "\xE2\x94\x9C\xE2\x94\x80"
#define LAST   "\xE2\x94\x94\xE2\x94\x80"
#define STEM   "\xE2\x94\x82 "
#define CUT    "\xE2\x80\xA6"

static void whole(void **state) {
    (void)state;
    report_tree tree;
    report_tree_small(&tree, "One\ntwo.");
    cso_text text = {0};
    cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.lazy = true}, &text);
    assert_false(text.failed);
    assert_string_equal(text.data,
                        "seed 3: complete, mcts, mode default, 104 iterations, 1520 calls\n"
                        "5 nodes, 4 generated, 1 ended, 1 of them count, best Q 0.88\n"
                        "scene: One two.\n"
                        "situation: One two.\n"
                        "\n"
                        "turn       Q     N prior\n"
                        "   0 +  0.50     5        " DISC "start: Hello, what brings you here? / I cannot sleep.\n"
                        "   1 +  0.75     4  0.50  " FORK DISC "Affirmation: One two. / Yes, exactly.\n"
                        "   2 +  0.88     3  1.00  " STEM SQUARE "Emotional Validation: That is good to hear. Sleep well.\n"
                        "   1 - -0.50     1  0.25  " FORK DISC "Share Information: Adults need seven hours of sleep. / One two.\n"
                        "   1                0.25  " LAST CIRCLE "Collaborative Planning\n"
                        "\n"
                        "+ preferred  - negative  " DISC "generated  " SQUARE "ended  " CIRCLE "not generated\n");
    free(text.data);
    report_tree_free(&tree);
}

/* Without what was not generated; long names and replies are cut. */
static void narrow(void **state) {
    (void)state;
    report_tree tree;
    report_tree_small(&tree, "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xBB\x8A\xE5\xA4\xA9");
    cso_text text = {0};
    cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.columns = 54}, &text);
    const char *at = strstr(text.data, "   1 +");
    assert_non_null(at);
    static const char EXPECTED[] = "   1 +  0.75     4  0.50  " FORK DISC "Affirmat" CUT
                                   ": \xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xBB\x8A\xE5\xA4\xA9 /" CUT "\n"
                                   "   2 +  0.88     3  1.00  " STEM SQUARE "Emotiona" CUT ": That is good" CUT "\n"
                                   "   1 - -0.50     1  0.25  " LAST DISC "Share In" CUT ": Adults need " CUT "\n\n";
    assert_memory_equal(at, EXPECTED, sizeof EXPECTED - 1);
    assert_null(strstr(text.data, "Collaborative"));
    free(text.data);
    report_tree_free(&tree);
}

/* Checks a line: printable but for our own escapes, no wider than that. Returns the line after it. */
static const char *check_line(const char *line, size_t columns, bool colour) {
    size_t used = 0;
    while (*line != '\n') {
        if (colour && !strncmp(line, "\033[", 2)) {
            line += 2 + strspn(line + 2, "0123456789;");
            assert_int_equal(*line++, 'm');
            continue;
        }
        size_t length = cso_printable_length(line, strnlen(line, 4));
        assert_true(length > 0);
        int width = utf8proc_charwidth((utf8proc_int32_t)cso_utf8_code_point(line, length));
        used += width > 0 ? (size_t)width : 0;
        line += length;
    }
    if (!(used <= columns || !columns))
        fail_msg("%zu columns, not %zu", used, columns);
    return line + 1;
}

static void hostile(void **state) {
    (void)state;
    static const size_t COLUMNS[] = {0, 1, 20, 54, 80, 119, 120, 200};
    report_tree tree;
    report_tree_search(&tree, 500, true, 11);
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++)
        for (int choice = 0; choice < 4; choice++) {
            cso_tree_show_options options = {.columns = COLUMNS[i], .colour = choice & 1, .lazy = choice & 2};
            cso_text text = {0};
            size_t lines = 0, shown = 0;
            cso_tree_show(&tree.result, tree.marks, &options, &text);
            assert_false(text.failed);
            for (const char *line = text.data; *line; lines++)
                line = check_line(line, options.columns, options.colour);
            for (size_t node = 0; node < tree.result.tree.count; node++)
                shown += options.lazy || tree.result.tree.nodes[node].generated;
            assert_int_equal(lines, shown + 8);
            free(text.data);
        }
    report_tree_free(&tree);
}

/* Accents without end take columns, so that a line of them is cut. */
static void accents(void **state) {
    (void)state;
    enum { MARKS = 100000 };
    char *reply = malloc(2 * MARKS + 2);
    assert_non_null(reply);
    reply[0] = 'e';
    for (size_t i = 0; i < MARKS; i++)
        memcpy(reply + 1 + 2 * i, "\xCC\x81", 2);
    reply[2 * MARKS + 1] = '\0';
    report_tree tree;
    report_tree_small(&tree, reply);
    cso_text text = {0};
    cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.columns = 80}, &text);
    assert_true(text.size < 3000);
    free(text.data);
    free(reply);
    report_tree_free(&tree);
}

/* Thousands of turns, each a fork: branches are bounded, and nothing recurses. */
static void deep(void **state) {
    (void)state;
    enum { TURNS = 3000 };
    report_tree tree;
    report_tree_small(&tree, "x");
    size_t at = 1;
    for (size_t turn = 0; turn < TURNS; turn++) {
        size_t next = report_tree_add(&tree, at, turn % 8, 0.5, "on", "and on");
        report_tree_add(&tree, at, (turn + 1) % 8, 0.5, "aside", "hm");
        at = next;
    }
    report_tree_add(&tree, at, 0, 1, "the end", NULL);
    cso_text text = {0};
    cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.columns = 80}, &text);
    assert_non_null(strstr(text.data, "3002   "));
    for (const char *line = text.data; *line;)
        line = check_line(line, 80, false);
    free(text.data);
    text = (cso_text){0};
    cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){0}, &text);
    assert_true(text.size < 6100 * 400);
    assert_non_null(strstr(text.data, "the end"));
    free(text.data);
    report_tree_free(&tree);
}

static size_t left; /* allocations until one fails */

static bool fail_later(size_t bytes) {
    (void)bytes;
    return left-- > 0;
}

static void out_of_memory(void **state) {
    (void)state;
    report_tree tree;
    report_tree_small(&tree, "x");
    bool failed = true;
    for (size_t most = 0; failed && most < 100; most++) {
        cso_text text = {0};
        left = most;
        cso_memory_set_hook(fail_later);
        cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.columns = 80}, &text);
        cso_memory_set_hook(NULL);
        failed = text.failed;
        assert_true(failed || most > 3);
        free(text.data);
    }
    assert_false(failed);
    report_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),   cmocka_unit_test(narrow), cmocka_unit_test(hostile),
        cmocka_unit_test(accents), cmocka_unit_test(deep),   cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
