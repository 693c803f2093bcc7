/* test_esc_pro.c - ESC-Pro trees become, text by text, the pairs that the reference implementation's script made of them. */
#include "data/pair_source.h"
#include "data_fixture.h"
#include "golden.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The texts of all pairs of a file, in order, as one hash each. */
typedef struct text_list {
    text_hash *hashes;
    text_hash *dialogues;
    size_t count, capacity, duplicates, empty_turns, unknown;
    hash_map seen;
    const cso_data_options *options;
    source_counts counts;
} text_list;

static cso_status collect(void *context, const pair_source *source, const char *place, cso_error *err) {
    (void)place;
    (void)err;
    text_list *list = context;
    size_t number;
    bool added;
    assert_true(source->has_identity);
    assert_true(hash_map_get(&list->seen, source->identity, list->count, &number, &added));
    list->unknown += source->unknown_strategies;
    if (!added) {
        list->duplicates++;
        return CSO_OK;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 256;
        list->hashes = realloc(list->hashes, list->capacity * sizeof *list->hashes);
        list->dialogues = realloc(list->dialogues, list->capacity * sizeof *list->dialogues);
        assert_true(list->hashes && list->dialogues);
    }
    cso_digest hash;
    cso_digest_begin(&hash);
    digest_messages(&hash, source->prompt, source->prompt_count);
    digest_messages(&hash, source->reply[0].messages, source->reply[0].count);
    digest_messages(&hash, source->reply[1].messages, source->reply[1].count);
    list->dialogues[list->count] = source->dialogue;
    list->hashes[list->count++] = text_hash_end(&hash);
    return CSO_OK;
}

static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    text_list *list = context;
    char place[32];
    cso_record_form form;
    snprintf(place, sizeof place, "line %zu", line);
    CSO_TRY(cso_record_detect(record, place, &form, err));
    source_request request = {record, place, list->options, &list->counts, collect, list};
    return record_sources(&request, form, err);
}

static void read_texts(text_list *list, const char *path) {
    static const cso_data_options OPTIONS = {.max_length = 1};
    cso_error err = {0};
    *list = (text_list){.options = &OPTIONS};
    golden_ok(cso_json_each(path, visit_record, list, &err), &err);
}

static void free_texts(text_list *list) {
    free(list->hashes);
    free(list->dialogues);
    hash_map_free(&list->seen);
}

static void compare(const char *name, size_t expected_pairs, size_t expected_duplicates) {
    char file[64];
    text_list tree, pairs;
    snprintf(file, sizeof file, "data/esc/%s.tree.jsonl", name);
    const char *tree_path = shared_path(file);
    snprintf(file, sizeof file, "data/esc/%s.pairs.jsonl", name);
    const char *pairs_path = shared_path(file);
    if (!tree_path || !pairs_path)
        skip();
    read_texts(&tree, tree_path);
    read_texts(&pairs, pairs_path);
    assert_int_equal(tree.count, expected_pairs);
    assert_int_equal(pairs.count, expected_pairs);
    assert_int_equal(tree.duplicates, expected_duplicates);
    assert_int_equal(pairs.duplicates, 0);
    assert_int_equal(tree.unknown + pairs.unknown, 0);
    for (size_t i = 0; i < pairs.count; i++) {
        if (memcmp(&tree.hashes[i], &pairs.hashes[i], sizeof *tree.hashes))
            fail_msg("%s: pair %zu differs", name, i);
        assert_memory_equal(&tree.dialogues[i], &pairs.dialogues[i], sizeof *tree.dialogues);
    }
    print_message("%s: %zu pairs equal, %zu duplicates dropped\n", name, pairs.count, tree.duplicates);
    free_texts(&tree);
    free_texts(&pairs);
}

static void test_train(void **state) {
    (void)state;
    compare("train", 1100, 0);
}

static void test_valid(void **state) {
    (void)state;
    compare("valid", 241, 0);
}

static void test_multipath(void **state) {
    (void)state;
    compare("multipath", 153, 70);
}

static void test_system_prompt(void **state) {
    (void)state;
    const cso_strategies *known = cso_strategies_builtin();
    const char *prompt = cso_strategies_prompt(NULL);
    assert_int_equal(prompt[0], '\n');
    assert_int_equal(prompt[strlen(prompt) - 1], '\n');
    for (size_t i = 0; i < known->count; i++) {
        char entry[80];
        snprintf(entry, sizeof entry, "\n  - %s: ", known->items[i].name);
        assert_non_null(strstr(prompt, entry));
    }
    const char *path = shared_path("data/esc/system_prompt.txt");
    if (!path)
        skip();
    char *text;
    size_t size;
    cso_error err = {0};
    golden_ok(cso_read_file(path, 1 << 20, &text, &size, &err), &err);
    assert_string_equal(prompt, text);
    free(text);
}

static void test_strategies(void **state) {
    (void)state;
    size_t reply;
    const char text[] = "(Share Information) It opens at nine.";
    assert_string_equal(cso_strategies_of(NULL, text, sizeof text - 1, &reply), "Share Information");
    assert_int_equal(reply, 19);
    assert_ptr_equal(cso_strategies_of(cso_strategies_builtin(), text, sizeof text - 1, &reply),
                     cso_strategies_builtin()->items[7].name);
    static const char *const NONE[] = {
        "", "(", "()", "(share information) x", "Share Information) x", "(Share Information", "(Self-disclosure) x"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) {
        assert_null(cso_strategies_of(NULL, NONE[i], strlen(NONE[i]), &reply));
        assert_int_equal(reply, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train),         cmocka_unit_test(test_valid),      cmocka_unit_test(test_multipath),
        cmocka_unit_test(test_system_prompt), cmocka_unit_test(test_strategies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
