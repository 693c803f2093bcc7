/* test_tree_file.c - trees in files: what is written is read again, and every broken field is refused. */
#include "search/tree_file.h"

#include "../faults.h"
#include "../golden.h"
#include "../test_folder.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const NAMES[] = {"Ask \"it\"", "Tell\n"};

/* A root, a generated child, an ended one, a lazy one. */
static cso_search_result made(void) {
    cso_search_result r = {.index = 7, .state = CSO_SEARCH_FAILED, .iterations = 12, .calls = {1, 2, 3, 4}};
    cso_error err = {0};
    size_t node;
    r.method = cso_strdup("mcts");
    r.mode = cso_strdup("default");
    r.scene = cso_strdup("s\"\xc3\xbc");
    r.description = cso_strdup("");
    r.prompts = cso_strdup("0123");
    golden_ok(cso_search_tree_begin(&r.tree, NAMES, 2, &err), &err);
    for (size_t i = 0; i < 4; i++)
        golden_ok(cso_search_tree_add(&r.tree, i ? i / 3 : CSO_NO_NODE, i ? i % 2 : CSO_NO_NODE, 1.0 / 3 * (double)i, &node, &err),
                  &err);
    golden_ok(cso_search_tree_set_texts(&r.tree, 0, "Hi.", "O\n</script>", false, &err), &err);
    golden_ok(cso_search_tree_set_texts(&r.tree, 1, "r\x01", "a", false, &err), &err);
    golden_ok(cso_search_tree_set_texts(&r.tree, 2, "r2", "ignored", true, &err), &err);
    r.tree.nodes[1].q = -0.1;
    r.tree.nodes[1].n = (uint64_t)1 << 52;
    r.tree.nodes[1].simulated = true;
    r.tree.nodes[2].q = 1e-300;
    r.tree.nodes[2].n = r.tree.nodes[2].seed = 100;
    r.tree.nodes[2].filled = true;
    return r;
}

static bool same_text(const char *a, const char *b) {
    return a && b ? !strcmp(a, b) : a == b;
}

static void check_same_node(const cso_search_node *a, const cso_search_node *b) {
    assert_int_equal(a->parent, b->parent);
    assert_int_equal(a->first_child, b->first_child);
    assert_int_equal(a->last_child, b->last_child);
    assert_int_equal(a->next_sibling, b->next_sibling);
    assert_int_equal(a->strategy, b->strategy);
    assert_true(a->prior == b->prior && a->q == b->q && a->n == b->n && a->seed == b->seed);
    assert_true(a->generated == b->generated && a->ended == b->ended && a->simulated == b->simulated && a->filled == b->filled);
    assert_true(same_text(a->reply, b->reply) && same_text(a->answer, b->answer));
}

static void round_trip(void **state) {
    (void)state;
    cso_search_result r = made(), again;
    cso_error err = {0};
    free(r.prompts);
    r.prompts = cso_strdup("a zero: \xc0\x80"); /* io/json.h */
    golden_ok(cso_tree_file_write(&r, in_folder("tree.json"), &err), &err);
    golden_ok(cso_tree_file_read(&again, in_folder("tree.json"), &err), &err);
    assert_int_equal(again.index, 7);
    assert_int_equal(again.state, CSO_SEARCH_FAILED);
    assert_int_equal(again.iterations, 12);
    assert_memory_equal(again.calls, r.calls, sizeof r.calls);
    assert_string_equal(again.method, r.method);
    assert_string_equal(again.mode, r.mode);
    assert_string_equal(again.scene, r.scene);
    assert_string_equal(again.description, r.description);
    assert_string_equal(again.prompts, r.prompts);
    assert_int_equal(again.tree.strategy_count, 2);
    assert_string_equal(again.tree.strategies[1], NAMES[1]);
    assert_int_equal(again.tree.count, 4);
    for (size_t i = 0; i < 4; i++)
        check_same_node(&again.tree.nodes[i], &r.tree.nodes[i]);
    cso_search_result_free(&again);
    cso_search_result_free(&r);
    cso_search_result_free(&r);
}

/* Reads the tree with a value put at a key: of node `node`, or of the head where that is -1, or of calls where it is -2. */
static cso_status read_with(int node, const char *key, const char *value, cso_error *err) {
    cso_search_result r = made(), again;
    golden_ok(cso_tree_file_write(&r, in_folder("tree.json"), err), err);
    cJSON *tree = golden_json(in_folder("tree.json")), *object = tree;
    if (node == -2)
        object = cJSON_GetObjectItem(tree, "calls");
    else if (node >= 0)
        object = cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "nodes"), node);
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    if (value)
        cJSON_AddItemToObject(object, key, cJSON_Parse(value));
    char *text = cJSON_PrintUnformatted(tree);
    save_in_folder("broken.json", text);
    cso_status status = cso_tree_file_read(&again, in_folder("broken.json"), err);
    if (status == CSO_OK)
        cso_search_result_free(&again);
    assert_int_equal(again.tree.count, 0);
    cJSON_free(text);
    cJSON_Delete(tree);
    cso_search_result_free(&r);
    return status;
}

/* where: node, -1 the head, -2 calls; value NULL: the key is missing. */
static const struct {
    int where;
    const char *key, *value;
} BROKEN[] = {
    {-1, "version", NULL},
    {-1, "version", "2"},
    {-1, "version", "\"1\""},
    {-1, "index", NULL},
    {-1, "index", "-1"},
    {-1, "index", "1.5"},
    {-1, "state", NULL},
    {-1, "state", "\"done\""},
    {-1, "state", "1"},
    {-1, "method", NULL},
    {-1, "method", "1"},
    {-1, "mode", NULL},
    {-1, "mode", "[]"},
    {-1, "iterations", NULL},
    {-1, "iterations", "\"x\""},
    {-1, "scene", NULL},
    {-1, "scene", "null"},
    {-1, "description", NULL},
    {-1, "prompts", NULL},
    {-1, "calls", NULL},
    {-1, "calls", "[]"},
    {-2, "judge", NULL},
    {-2, "strategy", "-3"},
    {-1, "strategies", NULL},
    {-1, "strategies", "\"Ask\""},
    {-1, "strategies", "[1, 2]"},
    {-1, "strategies", "[]"},
    {-1, "nodes", NULL},
    {-1, "nodes", "{}"},
    {-1, "nodes", "[1]"},
    {-1, "nodes", "[[]]"},
    {-1, "nodes", "[]"},
    {0, "parent", "0"},
    {0, "parent", NULL},
    {1, "parent", "null"},
    {1, "parent", "1"},
    {1, "parent", "3"},
    {1, "parent", "-1"},
    {1, "parent", "0.5"},
    {3, "parent", "2"}, /* which has ended */
    {2, "parent", "3"},
    {0, "strategy", "\"Tell\\n\""},
    {1, "strategy", "null"},
    {1, "strategy", "\"Tell\""},
    {1, "strategy", "1"},
    {1, "prior", NULL},
    {1, "prior", "\"1\""},
    {1, "q", NULL},
    {1, "q", "null"},
    {1, "n", NULL},
    {1, "n", "-1"},
    {1, "n", "0.5"},
    {1, "n", "1e300"},
    {1, "seed", NULL},
    {1, "generated", NULL},
    {1, "generated", "1"},
    {1, "generated", "false"},
    {3, "generated", "true"},
    {1, "ended", "null"},
    {3, "ended", "true"},
    {1, "simulated", NULL},
    {1, "filled", "\"no\""},
    {1, "reply", NULL},
    {1, "reply", "null"},
    {1, "reply", "1"},
    {1, "answer", NULL},
    {1, "answer", "null"},
    {3, "answer", "\"a\""},
};

static void broken_fields(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++) {
        cso_error err = {0};
        const char *value = BROKEN[i].value ? BROKEN[i].value : "missing";
        if (read_with(BROKEN[i].where, BROKEN[i].key, BROKEN[i].value, &err) != CSO_ERR_INPUT)
            fail_msg("node %d: %s = %s was not refused (%s)", BROKEN[i].where, BROKEN[i].key, value, err.message);
        char place[32];
        snprintf(place, sizeof place, "nodes[%d]", BROKEN[i].where);
        if (!strstr(err.message, "broken.json") || (BROKEN[i].where >= 0 && !strstr(err.message, place)))
            fail_msg("node %d: %s = %s: '%s' says not where", BROKEN[i].where, BROKEN[i].key, value, err.message);
    }
    cso_error err = {0};
    golden_ok(read_with(-1, "unknown", "[1]", &err), &err);
    golden_ok(read_with(1, "unknown", "{}", &err), &err);
}

static void broken_files(void **state) {
    (void)state;
    static const char *const texts[] = {"", "[]", "7", "{\"version\":1", "{\"version\":1}", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cso_search_result r;
        cso_error err = {0};
        save_in_folder("broken.json", texts[i]);
        assert_int_equal(cso_tree_file_read(&r, in_folder("broken.json"), &err), CSO_ERR_INPUT);
        assert_non_null(strstr(err.message, "broken.json"));
    }
    cso_search_result r;
    cso_error err = {0};
    assert_int_equal(cso_tree_file_read(&r, in_folder("missing.json"), &err), CSO_ERR_INPUT);
}

static void failing_allocations(void **state) {
    (void)state;
    cso_search_result r = made();
    size_t number = 0;
    for (bool failed = true; failed;) {
        cso_search_result again;
        cso_error err = {0};
        fault_memory_begin(++number, false);
        cso_status status = cso_tree_file_write(&r, in_folder("tree.json"), &err);
        if (status == CSO_OK && (status = cso_tree_file_read(&again, in_folder("tree.json"), &err)) == CSO_OK)
            cso_search_result_free(&again);
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        assert_int_equal(fault_leftovers(test_folder), 0);
    }
    assert_true(number > 20);
    cso_search_result_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(broken_fields),
                                       cmocka_unit_test(broken_files), cmocka_unit_test(failing_allocations)};
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
