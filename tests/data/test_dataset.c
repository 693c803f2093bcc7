/* test_dataset.c - whole data sets: numbers, grouping, order, duplicates, refusals; and real tokenizers on the large sample. */
#include "data_fixture.h"
#include "golden.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static data_fixture llama;
static const cso_data_options OPTIONS = {.max_length = 4096, .truncation = CSO_TRUNCATE_LEFT};

static cso_status read_files(cso_dataset *data, const char *const *paths, size_t count, const cso_data_options *options,
                             cso_error *err) {
    return cso_dataset_read(data, paths, count, llama.tokenizer, llama.chat, options, err);
}

static void test_golden_pairs(void **state) {
    (void)state;
    const char *path = golden_path("pairs/pairs.jsonl");
    if (!path)
        skip();
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_files(&data, &path, 1, &OPTIONS, &err), &err);
    assert_int_equal(data.count, 16);
    assert_int_equal(data.counts.records, 16);
    assert_int_equal(data.counts.examples, 16);
    assert_int_equal(data.counts.dialogues, 3);
    assert_int_equal(data.counts.truncated + data.counts.duplicates + data.counts.too_long_dropped, 0);
    assert_int_equal(data.examples[0].dialogue, 0);
    assert_int_equal(data.examples[15].dialogue, 2);
    assert_int_equal(data.examples[15].record, 15);
    assert_string_equal(data.fingerprint, "5e520cbb0d25b2a35e145084941acfc7"); /* checkpoints and cached references hold it */
    cso_dataset again;
    golden_ok(read_files(&again, &path, 1, &OPTIONS, &err), &err);
    assert_string_equal(data.fingerprint, again.fingerprint);
    cso_dataset_free(&again);
    cso_data_options other = OPTIONS;
    other.max_length = data.counts.max_tokens - 1;
    golden_ok(read_files(&again, &path, 1, &other, &err), &err);
    assert_string_not_equal(data.fingerprint, again.fingerprint);
    assert_int_equal(again.counts.truncated + again.counts.too_long_dropped, 1);
    cso_dataset_free(&again);
    cso_dataset_free(&data);
}

static void check_permutation(const size_t *order, size_t count) {
    bool *seen = calloc(count, sizeof *seen);
    for (size_t i = 0; i < count; i++) {
        assert_true(order[i] < count && !seen[order[i]]);
        seen[order[i]] = true;
    }
    free(seen);
}

/* Two dialogues whose pairs alternate in the file, and one with a single pair. */
#define PAIR(user, chosen)                                                                                                         \
    "{\"prompt\":[{\"role\":\"user\",\"content\":\"" user "\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"" chosen         \
    "\"}],\"rejected\":[{\"role\":\"assistant\",\"content\":\"no\"}]}\n"

static void test_order(void **state) {
    (void)state;
    const char *path =
        write_data("order.jsonl", PAIR("a", "1") PAIR("b", "2") PAIR("a", "3") PAIR("c", "4") PAIR("b", "5") PAIR("a", "6"));
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_files(&data, &path, 1, &OPTIONS, &err), &err);
    assert_int_equal(data.counts.dialogues, 3);
    static const size_t DIALOGUES[] = {0, 1, 0, 2, 1, 0};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(data.examples[i].dialogue, DIALOGUES[i]);
    size_t order[6], again[6];
    bool first_dialogue[3] = {false}, changed = false;
    for (size_t epoch = 0; epoch < 64; epoch++) {
        cso_dataset_order(&data, CSO_SHUFFLE_DIALOGUE, 7, epoch, order);
        check_permutation(order, 6);
        size_t runs = 1;
        for (size_t i = 1; i < 6; i++) {
            bool same = data.examples[order[i]].dialogue == data.examples[order[i - 1]].dialogue;
            runs += !same;
            assert_true(!same || order[i] > order[i - 1]); /* in their own order */
        }
        assert_int_equal(runs, 3);
        first_dialogue[data.examples[order[0]].dialogue] = true;
        cso_dataset_order(&data, CSO_SHUFFLE_DIALOGUE, 7, epoch, again);
        assert_memory_equal(order, again, sizeof order);
        cso_dataset_order(&data, CSO_SHUFFLE_DIALOGUE, 8, epoch, again);
        changed = changed || memcmp(order, again, sizeof order);
        cso_dataset_order(&data, CSO_SHUFFLE_PAIR, 7, epoch, order);
        check_permutation(order, 6);
    }
    assert_true(first_dialogue[0] && first_dialogue[1] && first_dialogue[2] && changed);
    cso_dataset_order(&data, CSO_SHUFFLE_NONE, 7, 3, order);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(order[i], i);
    cso_dataset_free(&data);
    remove(path);
}

#define ESC(user, strategy, text)                                                                                                  \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"" user "\"},{\"role\":\"assistant\",\"content\":\"" text                      \
    "\",\"strategy\":\"" strategy "\",\"negative\":[{\"content\":\"no\",\"strategy\":\"Affirmation\"}]},"                          \
    "{\"role\":\"user\",\"content\":\"so?\"},{\"role\":\"assistant\",\"content\":\"w\",\"strategy\":\"Other\"}]}\n"

static void test_counts(void **state) {
    (void)state;
    const char *first = write_data("a.jsonl", ESC("a", "Affirmation", "x") ESC("b", "Strange", "y"));
    const char *second = write_data("b.json", "["
                                              "\n" ESC("a", "Affirmation", "x") "," ESC("a", "Affirmation", "z") "]");
    const char *paths[] = {first, second};
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_files(&data, paths, 2, &OPTIONS, &err), &err);
    assert_int_equal(data.counts.records, 4);
    assert_int_equal(data.counts.examples, 3);
    assert_int_equal(data.counts.duplicates, 1);
    assert_int_equal(data.counts.dialogues, 2);
    assert_int_equal(data.counts.empty_turns, 4);
    assert_int_equal(data.counts.unknown_strategies, 1);
    assert_int_equal(data.examples[2].record, 3);
    assert_int_equal(data.examples[2].dialogue, 0);
    assert_string_equal(cso_dataset_sequences(&data, 0)->strategy, "Affirmation");
    assert_null(cso_dataset_sequences(&data, 1)->strategy);
    cso_dataset_free(&data);
    cso_data_options options = OPTIONS;
    options.system_prompt = "Short.";
    golden_ok(read_files(&data, paths, 1, &options, &err), &err);
    assert_true(data.counts.max_tokens < 100);
    cso_dataset_free(&data);
    remove(first);
    remove(second);
}

typedef struct refusal {
    const char *text, *message; /* message after the file's name */
} refusal;

static const refusal REFUSALS[] = {
    {"", ": no records (expected an array or lines of JSON objects)"},
    {"\n \n", ": no records (expected an array or lines of JSON objects)"},
    {"[]", ": no records (expected an array or lines of JSON objects)"},
    {PAIR("a", "1") "\n{\"prompt\":\"p\",\"rejected\":\"x\"}",
     ":3: chosen is missing (a preference record has prompt, chosen and rejected)"},
    {PAIR("a", ""), ":1: the chosen reply is empty"},
    {PAIR("a", " \\n\\t "), ":1: the chosen reply is empty"},
    {PAIR("a", "no"), ":1: chosen and rejected are equal"},
    {PAIR("a", "  no "), ":1: chosen and rejected are equal"}, /* Llama's template trims contents */
    {"{\"prompt\":\"p\",\"chosen\":\"x\",\"rejected\":\"\"}", ":1: the rejected reply is empty"},
    {PAIR("a", "1") ESC("a", "Affirmation", "x"),
     ":2: ESC-Pro tree in a file of another form (it began with: preference record (prompt, chosen, rejected))"},
    {PAIR("a", "1") "{\"text\":\"x\"}", ":2: text: needs loss.type = \"sft\" (expected chosen and "
                                        "rejected replies)"},
    {ESC("a", "Affirmation", ""), ":1: messages[1].negative[0]: the chosen reply is empty"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"y\",\"strategy\":\"Affirmation\"}]"
     "}",
     ": no pairs: no turn has a reply to compare with"},
};

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        cso_dataset data;
        cso_error err = {0};
        char expected[512];
        const char *path = write_data("refused.jsonl", REFUSALS[i].text);
        if (read_files(&data, &path, 1, &OPTIONS, &err) != CSO_ERR_INPUT)
            fail_msg("not refused: %s", REFUSALS[i].text);
        assert_null(data.examples);
        snprintf(expected, sizeof expected, "%s%s", path, REFUSALS[i].message);
        if (strcmp(expected, err.message))
            fail_msg("%s\n  expected %s\n  found    %s", REFUSALS[i].text, expected, err.message);
        remove(path);
    }
    /* What the JSON reader says of broken text names the line too. */
    static const char *const BROKEN[] = {"{\"prompt\":", "{}\n{\"a\":1}}",   "[1]", "{\"a\":1,\"a\":2}",
                                         "{\"a\":NaN}",  "{\"a\":\"\xFF\"}", "null"};
    for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++) {
        cso_dataset data;
        cso_error err = {0};
        const char *path = write_data("broken.jsonl", BROKEN[i]);
        assert_int_equal(read_files(&data, &path, 1, &OPTIONS, &err), CSO_ERR_INPUT);
        assert_int_equal(strncmp(err.message, path, strlen(path)), 0);
        assert_int_equal(err.message[strlen(path)], ':');
        remove(path);
    }
    cso_dataset data;
    cso_error err = {0};
    const char *missing = "/nonexistent.jsonl";
    assert_int_equal(read_files(&data, &missing, 1, &OPTIONS, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "/nonexistent.jsonl: cannot open: No such file or directory");
}

static void test_all_too_long(void **state) {
    (void)state;
    const char *path = write_data("long.jsonl", PAIR("a", "1") PAIR("b", "2"));
    cso_data_options options = OPTIONS;
    cso_dataset data;
    cso_error err = {0};
    char expected[256];
    options.max_length = 10;
    assert_int_equal(read_files(&data, &path, 1, &options, &err), CSO_ERR_INPUT);
    snprintf(expected, sizeof expected, "%s: no example is left: all 2 are longer than data.max_length = 10", path);
    assert_string_equal(err.message, expected);
    remove(path);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Real tokenizers on 1,100 real pairs: tokens as counted with Hugging Face's (data/esc/stats.json, which ends a sequence
 * with its end-of-turn token; `after` is what the template writes behind that), trees and pairs files equal. */
static void check_real(const char *tokenizer, size_t after) {
    char name[64];
    snprintf(name, sizeof name, "data/tokenizers/%s", tokenizer);
    const char *folder = shared_path(name), *pairs_path = shared_path("data/esc/train.pairs.jsonl");
    const char *tree_path = shared_path("data/esc/train.tree.jsonl"), *stats_path = shared_path("data/esc/stats.json");
    if (!folder || !pairs_path || !tree_path || !stats_path)
        skip();
    data_fixture fixture = data_fixture_open(folder);
    cso_dataset pairs, trees;
    cso_error err = {0};
    double begin = seconds();
    golden_ok(cso_dataset_read(&pairs, &pairs_path, 1, fixture.tokenizer, fixture.chat, &OPTIONS, &err), &err);
    double took = seconds() - begin;
    golden_ok(cso_dataset_read(&trees, &tree_path, 1, fixture.tokenizer, fixture.chat, &OPTIONS, &err), &err);
    assert_string_equal(pairs.fingerprint, trees.fingerprint);
    assert_int_equal(pairs.counts.dialogues, 60);
    assert_int_equal(trees.counts.dialogues, 60);
    size_t tokens = 0;
    for (size_t i = 0; i < pairs.count; i++)
        tokens += cso_dataset_sequences(&pairs, i)[0].length + cso_dataset_sequences(&pairs, i)[1].length;
    cJSON *stats = golden_json(stats_path);
    const cJSON *train = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(stats, "train"), tokenizer);
    size_t expected, longest;
    golden_ok(cso_json_size(train, "tokens_two_sequences_per_pair", stats_path, 0, &expected, &err), &err);
    golden_ok(cso_json_size(cJSON_GetObjectItemCaseSensitive(train, "sequence_tokens"), "max", stats_path, 0, &longest, &err),
              &err);
    assert_true(expected > 0);
    expected += 2 * pairs.count * after;
    print_message("%s: %zu pairs, %zu tokens (expected %zu), %.2f s\n", tokenizer, pairs.count, tokens, expected, took);
    assert_int_equal(tokens, expected);
    assert_int_equal(pairs.counts.max_tokens, longest + after);
    cJSON_Delete(stats);
    cso_dataset_free(&pairs);
    cso_dataset_free(&trees);
    data_fixture_close(&fixture);
}

static void test_real_llama3(void **state) {
    (void)state;
    check_real("llama3", 0);
}

static void test_real_qwen(void **state) {
    (void)state;
    check_real("qwen2.5", 1);
}

static void test_real_gemma(void **state) {
    (void)state;
    check_real("gemma2", 1);
}

static int set_up(void **state) {
    (void)state;
    llama = data_fixture_tiny("llama-tiny");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    data_fixture_close(&llama);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_pairs), cmocka_unit_test(test_order),        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_all_too_long), cmocka_unit_test(test_real_llama3),
        cmocka_unit_test(test_real_qwen),    cmocka_unit_test(test_real_gemma),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
