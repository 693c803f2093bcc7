/* test_tree_dot.c - Graphviz DOT: valid, and the same texts again, whatever these are. */
#include "base/printable.h"
#include "report/strategy_colour.h"
#include "report_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void small(void **state) {
    (void)state;
    report_tree tree;
    report_tree_small(&tree, "a \"b\" \\ & c");
    cso_text text = {0};
    cso_tree_dot(&tree.result, tree.marks, &text);
    assert_false(text.failed);
    static const char *const LINES[] = {
        "digraph search_3 {\n",
        ", label=\"seed 3: complete, 104 iterations\\na \\\"b\\\" \\\\ &amp; c\"];\n",
        "  n0 [label=\"start\\nQ 0.50  N 5\", tooltip=\"Hello, what brings you here?\\nI cannot sleep.\", penwidth=3];\n",
        "  n1 [label=\"Affirmation\\nQ 0.75  N 4\", tooltip=\"a \\\"b\\\" \\\\ &amp; c\\nYes, exactly.\", fillcolor=\"#e69f00\", "
        "fontcolor=\"#000000\", penwidth=3];\n",
        "  n2 [label=\"Share Information\\nQ -0.50  N 1\", tooltip=\"Adults need seven hours of sleep.\\na \\\"b\\\" \\\\ &amp; "
        "c\", "
        "fillcolor=\"#8a8f98\", fontcolor=\"#000000\", style=\"rounded,filled,dashed\"];\n",
        "  n3 [label=\"Collaborative Planning\\nP 0.25\", tooltip=\"not generated\", style=\"rounded,dotted\", color=\"#009e73\", "
        "fontcolor=\"#666666\"];\n",
        "fillcolor=\"#0072b2\", fontcolor=\"#ffffff\", penwidth=3, peripheries=2];\n",
        "  n0 -> n1 [penwidth=3, color=\"#000000\"];\n",
        "  n0 -> n2 [style=dashed];\n",
        "  n0 -> n3 [style=dotted, color=\"#bbbbbb\"];\n",
        "  n1 -> n4 [penwidth=3, color=\"#000000\"];\n}\n",
    };
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
        if (!strstr(text.data, LINES[i]))
            fail_msg("without %s in\n%s", LINES[i], text.data);
    free(text.data);
    report_tree_free(&tree);
}

/* Reads a quoted string of DOT as Graphviz does a label: the text it stands for, and where it ends. */
static const char *read_string(const char *at, char *out) {
    assert_int_equal(*at++, '"');
    while (*at != '"') {
        assert_true(*at && *at != '\n');
        if (*at == '\\') {
            at++;
            assert_true(*at == '"' || *at == '\\' || *at == 'n');
            *out++ = *at == 'n' ? '\n' : *at;
            at++;
        } else if (*at == '&') {
            assert_memory_equal(at, "&amp;", 5);
            *out++ = '&';
            at += 5;
        } else {
            *out++ = *at++;
        }
    }
    *out = '\0';
    return at + 1;
}

/* Each statement is one line, and between the strings is nothing but names, numbers and signs. */
static void hostile(void **state) {
    (void)state;
    report_tree tree;
    report_tree_search(&tree, 500, true, 11);
    cso_text text = {0};
    cso_tree_dot(&tree.result, tree.marks, &text);
    assert_false(text.failed);
    char *string = malloc(text.size), expected[1024], *out = expected;
    assert_non_null(string);
    size_t nodes = 0, edges = 0;
    for (const char *at = text.data; *at; at++) {
        nodes += !strncmp(at, "\n  n", 4) && strchr("0123456789", at[4]) && strstr(at, "[label") < strchr(at + 1, '\n') &&
                 strstr(at, "[label");
        edges += !strncmp(at, " -> ", 4);
        if (*at != '"') {
            assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz_0123456789{}[]=,; \n->.ABCDEFGHIJKLMNOPQRSTUVWXYZ", *at));
            continue;
        }
        at = read_string(at, string) - 1;
        for (const char *c = string; *c; c++)
            assert_true(*c == '\n' || cso_printable_length(c, strnlen(c, 4)) || ((unsigned char)*c & 0xC0) == 0x80);
    }
    assert_int_equal(nodes, 500);
    assert_int_equal(edges, 499);
    /* The root's answer is the first of the hostile texts. */
    const char *tooltip = strstr(text.data, "  n0 [");
    assert_non_null(tooltip);
    tooltip = strstr(tooltip, "tooltip=");
    read_string(tooltip + strlen("tooltip="), string);
    out += snprintf(out, sizeof expected, "%s\n", tree.result.tree.nodes[0].reply);
    cso_printable(out, (size_t)(expected + sizeof expected - out), report_hostile[0]);
    assert_string_equal(string, expected);
    free(string);
    free(text.data);
    report_tree_free(&tree);
}

/* Contrast of WCAG between two "#rrggbb". */
static double luminance(const char *colour) {
    static const double WEIGHTS[] = {0.2126, 0.7152, 0.0722};
    unsigned channels[3];
    double sum = 0;
    assert_int_equal(sscanf(colour, "#%2x%2x%2x", &channels[0], &channels[1], &channels[2]), 3);
    for (size_t i = 0; i < 3; i++) {
        double value = channels[i] / 255.0;
        sum += WEIGHTS[i] * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void colours(void **state) {
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        strategy_colour colour = strategy_colour_of(i);
        double fill = luminance(colour.fill), ink = luminance(colour.ink),
               contrast = (fmax(fill, ink) + 0.05) / (fmin(fill, ink) + 0.05);
        if (!(contrast >= 4.5))
            fail_msg("colour %zu: %s on %s has a contrast of %.2f", i, colour.ink, colour.fill, contrast);
        assert_true(colour.terminal >= 16 && colour.terminal < 256);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(colour.fill, strategy_colour_of(j).fill);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(small), cmocka_unit_test(hostile), cmocka_unit_test(colours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
