/* test_tree_page.c - the pages' structure, data and escapes. scripts/check_pages.py opens them in a browser. */
#include "base/memory.h"
#include "base/utf8.h"
#include "report_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t occurrences(const char *text, const char *word) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

/* The data block of a page, parsed; what HTML or XML could take for markup must not be in it. */
static cJSON *page_data(const cso_text *page) {
    static const char BEGIN[] = "<script type=\"application/json\" id=\"data\">";
    const char *begin = strstr(page->data, BEGIN);
    assert_non_null(begin);
    begin += sizeof BEGIN - 1;
    const char *end = strstr(begin, "</script>\n");
    assert_non_null(end);
    size_t size = (size_t)(end - begin);
    for (size_t i = 0; i < size; i++) {
        assert_true(begin[i] != '<' && begin[i] != '>' && begin[i] != '&');
        assert_true((unsigned char)begin[i] >= 0x20 || begin[i] == '\n');
    }
    cJSON *value = NULL;
    cso_error err;
    if (cso_json_parse(&value, begin, size, "page", 1, &err) != CSO_OK)
        fail_msg("%s", err.message);
    return value;
}

static const cJSON *member(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!value)
        fail_msg("no %s", key);
    return value;
}

static void check_frame(const cso_text *page) {
    assert_true(cso_utf8_check(page->data, page->size, NULL));
    assert_int_equal(strlen(page->data), page->size);
    assert_memory_equal(
        page->data,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\"", 100);
    assert_non_null(strstr(page->data, "content=\"default-src 'none'; script-src 'sha256-"));
    assert_null(strstr(page->data, "unsafe"));
    assert_int_equal(occurrences(page->data, "http:"), occurrences(page->data, "(\"http://www.w3.org/2000/svg\"")); /* a name */
    assert_null(strstr(page->data, "https:"));
    assert_int_equal(occurrences(page->data, "</html>"), 1);
    assert_string_equal(page->data + page->size - strlen("</body>\n</html>\n"), "</body>\n</html>\n");
}

static void data(void **state) {
    (void)state;
    report_tree tree;
    report_tree_small(&tree, "x");
    cso_text page = {0};
    cso_tree_page(&tree.result, tree.marks, &page);
    assert_false(page.failed);
    check_frame(&page);
    cJSON *value = page_data(&page);
    const cJSON *nodes = member(value, "nodes"), *node = cJSON_GetArrayItem(nodes, 2);
    assert_int_equal(cJSON_GetArraySize(nodes), 5);
    assert_int_equal(cJSON_GetArraySize(member(value, "strategies")), 8);
    assert_string_equal(member(cJSON_GetArrayItem(member(value, "strategies"), 7), "name")->valuestring, "Share Information");
    assert_true(cJSON_IsNull(member(cJSON_GetArrayItem(nodes, 0), "parent")));
    assert_true(cJSON_IsNull(member(cJSON_GetArrayItem(nodes, 0), "strategy")));
    assert_true(member(node, "parent")->valuedouble == 0 && member(node, "strategy")->valuedouble == 7);
    assert_true(member(node, "prior")->valuedouble == 0.25 && member(node, "q")->valuedouble == -0.5 &&
                member(node, "n")->valuedouble == 1);
    assert_string_equal(member(node, "mark")->valuestring, "negative");
    assert_string_equal(member(cJSON_GetArrayItem(nodes, 1), "mark")->valuestring, "preferred");
    assert_string_equal(member(cJSON_GetArrayItem(nodes, 3), "mark")->valuestring, "none");
    assert_true(cJSON_IsFalse(member(cJSON_GetArrayItem(nodes, 3), "generated")));
    assert_true(cJSON_IsTrue(member(cJSON_GetArrayItem(nodes, 4), "ended")) && cJSON_IsFalse(member(node, "ended")));
    assert_true(member(value, "best")->valuedouble == 0.875 && member(value, "counted")->valuedouble == 1);
    assert_true(member(member(value, "calls"), "judge")->valuedouble == 498);
    cJSON_Delete(value);
    free(page.data);
    report_tree_free(&tree);
}

/* Each hostile text comes out of the data as it went in, and nowhere else into the page. */
static void hostile(void **state) {
    (void)state;
    report_tree plain;
    report_tree_small(&plain, "x");
    cso_text usual = {0};
    cso_tree_page(&plain.result, plain.marks, &usual);
    for (size_t i = 0; i < report_hostile_count; i++) {
        report_tree tree;
        report_tree_small(&tree, report_hostile[i]);
        free(tree.result.method);
        tree.result.method = cso_format("%s%s", report_hostile[i], report_hostile[i]);
        free(tree.result.tree.strategies[1]);
        tree.result.tree.strategies[1] = cso_strdup(report_hostile[i]);
        cso_text page = {0};
        cso_tree_page(&tree.result, tree.marks, &page);
        assert_false(page.failed);
        check_frame(&page);
        static const char *const WORDS[] = {"<script", "</script", "<style", "<img", "<!--", "-->", "<", "]]>", "<svg"};
        for (size_t w = 0; w < sizeof WORDS / sizeof *WORDS; w++) /* of markup there is as much as ever */
            assert_int_equal(occurrences(page.data, WORDS[w]), occurrences(usual.data, WORDS[w]));
        cJSON *value = page_data(&page);
        const cJSON *nodes = member(value, "nodes");
        assert_string_equal(member(cJSON_GetArrayItem(nodes, 1), "reply")->valuestring, report_hostile[i]);
        assert_string_equal(member(cJSON_GetArrayItem(nodes, 2), "answer")->valuestring, report_hostile[i]);
        assert_string_equal(member(value, "scene")->valuestring, report_hostile[i]);
        assert_string_equal(member(value, "description")->valuestring, report_hostile[i]);
        assert_string_equal(member(cJSON_GetArrayItem(member(value, "strategies"), 1), "name")->valuestring, report_hostile[i]);
        cJSON_Delete(value);
        free(page.data);
        report_tree_free(&tree);
    }
    free(usual.data);
    report_tree_free(&plain);
}

static void index_page(void **state) {
    (void)state;
    cso_tree_summary lines[] = {
        {.index = 1,
         .state = "complete",
         .scene = "a <b> & \"c\" 'd'",
         .description = "zero \xC0\x80 bell \a left \xE2\x80\xAE line\nend \xFF",
         .iterations = 100,
         .nodes = 12345678,
         .ended = 3,
         .depth = 9,
         .records = 2,
         .pairs = 11,
         .calls = 999,
         .best_q = 0.625},
        {.index = 1234567,
         .state = "failed, <resumable>",
         .scene = "",
         .description = NULL,
         .iterations = 7,
         .nodes = 1,
         .ended = 0,
         .depth = 4,
         .records = 0,
         .pairs = 0,
         .calls = 1,
         .best_q = NAN},
    };
    cso_text page = {0};
    cso_tree_index_page(lines, 2, "</title><script>1</script>", &page);
    assert_false(page.failed);
    check_frame(&page);
    static const char *const PARTS[] = {
        "<title>&lt;/title&gt;&lt;script&gt;1&lt;/script&gt;</title>",
        "<a href=\"000001.html\">1</a>",
        "<a href=\"1234567.html\">1234567</a>",
        ">a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;</a>",
        ">zero \xEF\xBF\xBD bell \xEF\xBF\xBD left \xEF\xBF\xBD line end \xEF\xBF\xBD</p>",
        ">without a scene</a><p dir=\"auto\"></p>",
        "<span class=\"state complete\">complete</span>",
        "<span class=\"state failed\">failed, &lt;resumable&gt;</span>",
        "data-value=\"12345678\">12,345,678</td>",
        "data-value=\"0.625\">0.62</td></tr>",
        "data-value=\"\">\xE2\x80\x93</td></tr>",
        "<tfoot><tr><th scope=\"row\" colspan=\"3\">2 dialogues</th><td class=\"number\" data-name=\"Iterations\">107</td>"
        "<td class=\"number\" data-name=\"Nodes\">12,345,679</td><td class=\"number\" data-name=\"Ended\">3</td>"
        "<td class=\"number\" data-name=\"Depth, at most\">9</td><td class=\"number\" data-name=\"Records\">2</td>"
        "<td class=\"number\" data-name=\"Pairs\">11</td><td class=\"number\" data-name=\"Calls\">1,000</td>"
        "<td class=\"number\" data-name=\"Best Q\">0.62</td></tr></tfoot>",
    };
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (!strstr(page.data, PARTS[i]))
            fail_msg("without %s in\n%s", PARTS[i], strstr(page.data, "</head>"));
    assert_int_equal(occurrences(page.data, "<script"), 1);
    free(page.data);
}

static void empty_index(void **state) {
    (void)state;
    cso_text page = {0};
    cso_tree_index_page(NULL, 0, "none", &page);
    assert_false(page.failed);
    assert_non_null(strstr(page.data, ">0 dialogues<"));
    free(page.data);
}

/* What has no texts, and values that are no numbers. */
static void bare(void **state) {
    (void)state;
    report_tree tree;
    report_tree_begin(&tree, NULL, 0);
    free(tree.result.scene);
    free(tree.result.description);
    tree.result.scene = tree.result.description = NULL;
    report_tree_add(&tree, CSO_NO_NODE, CSO_NO_NODE, 0, "hi", "hi");
    report_tree_value(&tree, 0, NAN, 0, CSO_MARK_NONE);
    for (int view = 0; view < 3; view++) {
        cso_text text = {0};
        if (view == 0)
            cso_tree_page(&tree.result, tree.marks, &text);
        else if (view == 1)
            cso_tree_dot(&tree.result, tree.marks, &text);
        else
            cso_tree_show(&tree.result, tree.marks, &(cso_tree_show_options){.columns = 80}, &text);
        assert_false(text.failed);
        if (view == 0)
            cJSON_Delete(page_data(&text));
        free(text.data);
    }
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
    for (size_t most = 0; failed && most < 200; most++) {
        cso_text page = {0};
        left = most;
        cso_memory_set_hook(fail_later);
        cso_tree_page(&tree.result, tree.marks, &page);
        cso_memory_set_hook(NULL);
        failed = page.failed;
        assert_true(failed || most > 5);
        free(page.data);
    }
    assert_false(failed);
    report_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data),        cmocka_unit_test(hostile), cmocka_unit_test(index_page),
        cmocka_unit_test(empty_index), cmocka_unit_test(bare),    cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
