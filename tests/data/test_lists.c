/* test_lists.c - lists: their order and ranks, what they are made of, and that a list of two is the pair. */
#include "base/memory.h"
#include "data_fixture.h"
#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static data_fixture llama;
static const cso_data_options LISTS = {.kind = CSO_EXAMPLE_LIST, .max_length = 1 << 20, .system_prompt = "Be kind."};
static const cso_data_options PAIRS = {.kind = CSO_EXAMPLE_PAIR, .max_length = 1 << 20, .system_prompt = "Be kind."};

static cso_status read_data(cso_dataset *data, const char *text, const cso_data_options *options, cso_error *err) {
    const char *path = write_data("lists.jsonl", text);
    return cso_dataset_read(data, &path, 1, llama.tokenizer, llama.chat, options, err);
}

#define USER(text)          "{\"role\":\"user\",\"content\":\"" text "\"}"
#define NEGATIVE(text)      "{\"content\":\"" text "\",\"strategy\":\"Affirmation\"}"
#define NEGATIVE_Q(text, q) "{\"content\":\"" text "\",\"strategy\":\"Affirmation\",\"q\":" q ",\"prior\":0.5}"
#define TURN(text, more)    "{\"role\":\"assistant\",\"content\":\"" text "\",\"strategy\":\"Share Information\"" more "}"
#define TREE(turns)         "{\"messages\":[" USER("u") "," turns "]}\n"

/* "text" is the reply of sequence k of example i. */
static void check_reply(const cso_dataset *data, size_t i, size_t k, const char *text, size_t rank) {
    const cso_example_sequence *sequence = cso_dataset_sequences(data, i) + k;
    char *bytes;
    size_t size;
    cso_error err = {0};
    golden_ok(cso_tokenizer_decode_bytes(llama.tokenizer, sequence->ids + sequence->score_start,
                                         sequence->length - sequence->score_start, &bytes, &size, &err),
              &err);
    bytes[strlen(bytes) - strlen("<|eot_id|>")] = '\0';
    assert_string_equal(bytes, text);
    assert_int_equal(sequence->rank, rank);
    free(bytes);
}

static void in_order_of_q(void **state) {
    (void)state;
    static const char tree[] = TREE(
        TURN("best", ",\"q\":-5,\"n\":7,\"negative\":[" NEGATIVE_Q("a", "0.25") "," NEGATIVE_Q("b", "0.5") "," NEGATIVE_Q(
                         "c", "0.25") "," NEGATIVE_Q("d", "-1") "]") "," USER("v") "," TURN("good",
                                                                                            ",\"negative\":[" NEGATIVE("z") "]"));
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_data(&data, tree, &LISTS, &err), &err);
    assert_int_equal(data.count, 2);
    assert_int_equal(data.examples[0].n, 5);
    check_reply(&data, 0, 0, "(Share Information) best", 0);
    check_reply(&data, 0, 1, "(Affirmation) b", 1);
    check_reply(&data, 0, 2, "(Affirmation) a", 2);
    check_reply(&data, 0, 3, "(Affirmation) c", 2);
    check_reply(&data, 0, 4, "(Affirmation) d", 3);
    const cso_example_sequence *sequences = cso_dataset_sequences(&data, 0);
    assert_true(sequences[0].q == -5 && sequences[0].n == 7 && sequences[1].q == 0.5 && isnan(sequences[1].n));
    for (size_t k = 1; k < 5; k++)
        assert_int_equal(sequences[k].score_start, sequences[0].score_start);
    assert_string_equal(sequences[0].strategy, "Share Information");
    assert_int_equal(data.examples[1].n, 2);
    check_reply(&data, 1, 1, "(Affirmation) z", 1);
    assert_true(isnan(cso_dataset_sequences(&data, 1)->q));
    assert_int_equal(data.examples[1].dialogue, 0);
    cso_dataset_free(&data);
}

/* One negative without q: all are tied in the order of the record. A negative that is there twice is kept once. */
static void without_q(void **state) {
    (void)state;
    static const char tree[] = TREE(TURN("best", ",\"q\":1,\"negative\":[" NEGATIVE_Q("a", "0.25") "," NEGATIVE("b") "," NEGATIVE_Q(
                                                     "c", "0.5") "," NEGATIVE("a") "]"));
    cso_dataset data;
    cso_error err = {0};
    char *twice = malloc(2 * sizeof tree);
    snprintf(twice, 2 * sizeof tree, "%s%s", tree, tree);
    golden_ok(read_data(&data, twice, &LISTS, &err), &err);
    assert_int_equal(data.count, 1);
    assert_int_equal(data.examples[0].n, 4);
    check_reply(&data, 0, 1, "(Affirmation) a", 1);
    check_reply(&data, 0, 2, "(Affirmation) b", 1);
    check_reply(&data, 0, 3, "(Affirmation) c", 1);
    assert_int_equal(data.counts.duplicates, 3); /* a negative in each, and the second list */
    cso_dataset_free(&data);
    free(twice);
}

#define A(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

/* Lists of two have the ids, borders and fingerprint of pairs. */
static void of_two_is_the_pair(void **state) {
    (void)state;
    static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (size_t m = 0; m < 3; m++) {
        data_fixture fixture = data_fixture_tiny(models[m]);
        const char *path = golden_path("pairs/%s", m < 2 ? "pairs.jsonl" : "pairs_nosystem.jsonl");
        cso_dataset pairs, lists;
        cso_error err = {0};
        golden_ok(cso_dataset_read(&pairs, &path, 1, fixture.tokenizer, fixture.chat, &PAIRS, &err), &err);
        golden_ok(cso_dataset_read(&lists, &path, 1, fixture.tokenizer, fixture.chat, &LISTS, &err), &err);
        assert_string_equal(pairs.fingerprint, lists.fingerprint);
        for (size_t s = 0; s < pairs.n_sequences; s++)
            assert_int_equal(pairs.sequences[s].rank, lists.sequences[s].rank);
        cso_dataset_free(&pairs);
        cso_dataset_free(&lists);
        data_fixture_close(&fixture);
    }
}

/* A reply that begins with a newline takes that of Qwen's generation prompt with it, for all of its list. */
static void one_border(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"prompt\":[" USER("u") "],\"chosen\":" A("a") ",\"rejected\":" A("b") "}\n",
        "{\"prompt\":[" USER("u") "],\"chosen\":" A("a") ",\"rejected\":" A("\\nb") "}\n",
        "{\"prompt\":[" USER("u") "],\"completions\":[" A("a") "," A("b") "," A("\\nb") "]}\n",
    };
    size_t starts[3];
    data_fixture fixture = data_fixture_tiny("qwen2-tiny");
    for (int i = 0; i < 3; i++) {
        const char *path = write_data("border.jsonl", texts[i]);
        cso_dataset data;
        cso_error err = {0};
        golden_ok(cso_dataset_read(&data, &path, 1, fixture.tokenizer, fixture.chat, &LISTS, &err), &err);
        starts[i] = data.sequences[0].score_start;
        for (size_t s = 0; s < data.n_sequences; s++)
            assert_int_equal(data.sequences[s].score_start, starts[i]);
        cso_dataset_free(&data);
        remove(path);
    }
    assert_int_equal(starts[1], starts[0] - 1);
    assert_int_equal(starts[2], starts[1]);
    data_fixture_close(&fixture);
}

#define ESC_PAIR(user, chosen, more, reject, q)                                                                                    \
    "{\"messages\":[" USER(user) "],\"chosen\":{\"role\":\"assistant\",\"content\":\"" chosen "\"" more                            \
                                 "},\"reject\":{\"role\":\"assistant\",\"content\":\"" reject "\",\"q\":" q "}}\n"

/* Pairs that follow each other with one prompt and one chosen reply are one list; others are not. */
static void of_pairs(void **state) {
    (void)state;
    static const char text[] = ESC_PAIR("u", "(Affirmation) yes", ",\"n\":3", "(Affirmation) a", "1")
        ESC_PAIR("u", "(Affirmation) yes", "", "(Odd) b", "2") ESC_PAIR("u", "(Affirmation) yes", "", "(Odd) b", "2")
            ESC_PAIR("u", "(Affirmation) other", "", "(Odd) b", "2") ESC_PAIR("v", "(Affirmation) other", "", "(Odd) c", "2")
                ESC_PAIR("u", "(Affirmation) yes", "", "(Odd) d", "0");
    const char *paths[2] = {write_data("a.jsonl", text), NULL};
    paths[1] = write_data("b.jsonl", ESC_PAIR("u", "(Affirmation) yes", "", "(Odd) e", "0"));
    cso_dataset data;
    cso_error err = {0};
    golden_ok(cso_dataset_read(&data, paths, 2, llama.tokenizer, llama.chat, &LISTS, &err), &err);
    static const size_t RECORDS[] = {0, 3, 4, 5, 6}, DIALOGUES[] = {0, 0, 1, 0, 0}, SIZES[] = {3, 2, 2, 2, 2};
    assert_int_equal(data.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(data.examples[i].record, RECORDS[i]);
        assert_int_equal(data.examples[i].dialogue, DIALOGUES[i]);
        assert_int_equal(data.examples[i].n, SIZES[i]);
    }
    check_reply(&data, 0, 0, "(Affirmation) yes", 0);
    check_reply(&data, 0, 1, "(Odd) b", 1);
    check_reply(&data, 0, 2, "(Affirmation) a", 2);
    assert_true(data.sequences[0].n == 3 && isnan(data.sequences[0].q));
    assert_string_equal(data.sequences[0].strategy, "Affirmation");
    assert_int_equal(data.counts.duplicates, 1);
    assert_int_equal(data.counts.unknown_strategies, 5);
    cso_dataset_free(&data);
    remove(paths[0]);
    remove(paths[1]);
}

/* The lists of trees and those of the pairs that were made of them. */
static void of_real_trees_and_pairs(void **state) {
    (void)state;
    static const char *const names[] = {"train", "valid", "multipath"};
    for (size_t i = 0; i < 3; i++) {
        char tree_name[64], pairs_name[64];
        snprintf(tree_name, sizeof tree_name, "data/esc/%s.tree.jsonl", names[i]);
        snprintf(pairs_name, sizeof pairs_name, "data/esc/%s.pairs.jsonl", names[i]);
        const char *tree_path = shared_path(tree_name), *pairs_path = shared_path(pairs_name);
        if (!tree_path || !pairs_path)
            skip();
        cso_data_options options = LISTS;
        cso_dataset trees, pairs;
        cso_error err = {0};
        options.system_prompt = NULL;
        golden_ok(cso_dataset_read(&trees, &tree_path, 1, llama.tokenizer, llama.chat, &options, &err), &err);
        golden_ok(cso_dataset_read(&pairs, &pairs_path, 1, llama.tokenizer, llama.chat, &options, &err), &err);
        print_message("%s: %zu lists, %zu replies\n", names[i], trees.count, trees.n_sequences);
        assert_string_equal(trees.fingerprint, pairs.fingerprint);
        assert_int_equal(trees.count, pairs.count);
        cso_dataset_free(&trees);
        cso_dataset_free(&pairs);
    }
}

static void of_completions(void **state) {
    (void)state;
    static const char text[] = "{\"prompt\":[" USER(
        "u") "],\"completions\":[{\"role\":\"assistant\",\"content\":\"a\"},[{\"role\":\"assistant\","
             "\"content\":\"b\"}],{\"role\":\"assistant\",\"content\":\"c\"}]}\n"
             "{\"prompt\":[" USER("u") "],\"q\":[3,3,1],\"completions\":[{\"role\":\"assistant\",\"content\":\"a\"},[{"
                                       "\"role\":\"assistant\",\"content\":\"b\"}],{\"role\":\"assistant\",\"content\":"
                                       "\"c\"}]}\n";
    cso_dataset data, first, pair;
    cso_error err = {0};
    golden_ok(read_data(&data, text, &LISTS, &err), &err);
    assert_int_equal(data.count, 2);
    assert_int_equal(data.n_sequences, 6);
    static const char *const REPLIES[] = {"a", "b", "c"};
    static const size_t RANKS[2][3] = {{0, 1, 2}, {0, 0, 1}};
    for (size_t i = 0; i < 6; i++)
        check_reply(&data, i / 3, i % 3, REPLIES[i % 3], RANKS[i / 3][i % 3]);
    assert_true(isnan(data.sequences[0].q) && data.sequences[3].q == 3 && data.sequences[5].q == 1);
    cso_dataset_free(&data);
    /* For losses on single sequences the first counts. */
    cso_data_options options = LISTS;
    options.kind = CSO_EXAMPLE_TEXT;
    golden_ok(read_data(&first, text, &options, &err), &err);
    assert_int_equal(first.n_sequences, 2);
    check_reply(&first, 0, 0, "a", 0);
    assert_null(first.sequences[0].scored);
    cso_dataset_free(&first);
    /* Texts are encoded as those of pairs. */
    golden_ok(read_data(&data, "{\"prompt\":\"p q\",\"completions\":[\" a\",\" b\"]}", &LISTS, &err), &err);
    golden_ok(read_data(&pair, "{\"prompt\":\"p q\",\"chosen\":\" a\",\"rejected\":\" b\"}", &PAIRS, &err), &err);
    assert_string_equal(data.fingerprint, pair.fingerprint);
    cso_dataset_free(&data);
    cso_dataset_free(&pair);
}

/* q, n and ties are part of the fingerprint, where there are any. */
static void fingerprints(void **state) {
    (void)state;
#define TWO(more) TREE(TURN("best", more ",\"negative\":[" NEGATIVE("a") "," NEGATIVE("b") "]"))
    static const char *const texts[] = {TWO(""),         TWO(",\"q\":0"),         TWO(",\"q\":1"),
                                        TWO(",\"n\":1"), TWO(",\"n\":1,\"q\":1"), TWO(",\"prior\":1")};
    enum { COUNT = sizeof texts / sizeof *texts };
    for (int kind = 0; kind < 3; kind++) {
        cso_data_options options = LISTS;
        cso_dataset data[COUNT];
        cso_error err = {0};
        options.kind = (cso_example_kind)kind;
        for (size_t i = 0; i < COUNT; i++)
            golden_ok(read_data(&data[i], texts[i], &options, &err), &err);
        if (kind != CSO_EXAMPLE_TEXT) /* a conversation has no single reply */
            for (size_t i = 0; i < 5; i++)
                for (size_t k = 0; k < i; k++)
                    assert_string_not_equal(data[i].fingerprint, data[k].fingerprint);
        assert_string_equal(data[5].fingerprint, data[0].fingerprint);
        for (size_t i = 0; i < COUNT; i++)
            cso_dataset_free(&data[i]);
    }
    cso_dataset tied, ranked;
    cso_error err = {0};
    golden_ok(read_data(&tied, TREE(TURN("best", ",\"negative\":[" NEGATIVE("a") "," NEGATIVE("b") "]")), &LISTS, &err), &err);
    golden_ok(
        read_data(&ranked, TREE(TURN("best", ",\"negative\":[" NEGATIVE_Q("a", "2") "," NEGATIVE_Q("b", "1") "]")), &LISTS, &err),
        &err);
    assert_int_equal(tied.sequences[2].rank, 1);
    assert_int_equal(ranked.sequences[2].rank, 2);
    assert_string_not_equal(tied.fingerprint, ranked.fingerprint);
    cso_dataset_free(&tied);
    cso_dataset_free(&ranked);
}

/* All sequences of a list lose the same turns, as many as the longest needs. */
static void truncation(void **state) {
    (void)state;
    static const char tree[] = TREE(TURN("a", "") "," USER("v") "," TURN(
        "b", ",\"negative\":[" NEGATIVE("c") "," NEGATIVE("a much longer reply") "," NEGATIVE("d") "]"));
    cso_data_options options = LISTS;
    cso_dataset whole, cut;
    cso_error err = {0};
    golden_ok(read_data(&whole, tree, &options, &err), &err);
    options.max_length = whole.counts.max_tokens - 1;
    golden_ok(read_data(&cut, tree, &options, &err), &err);
    assert_int_equal(cut.counts.turns_dropped, 2);
    size_t less = whole.sequences[0].length - cut.sequences[0].length;
    assert_true(less > 0);
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(whole.sequences[k].length - cut.sequences[k].length, less);
        assert_int_equal(cut.sequences[k].score_start, cut.sequences[0].score_start);
    }
    cso_dataset_free(&whole);
    cso_dataset_free(&cut);
    options.truncation = CSO_TRUNCATE_DROP;
    assert_int_equal(read_data(&cut, tree, &options, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "no example is left: all 1 are longer"));
}

static void refuses(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {TREE(TURN("", ",\"negative\":[" NEGATIVE("a") "]")), ":1: messages[1]: the preferred reply is empty"},
        {TREE(TURN("x", ",\"negative\":[" NEGATIVE("a") "," NEGATIVE(" ") "]")), ":1: messages[1]: negative[1] is empty"},
        {TREE(TURN("x", ",\"negative\":[" NEGATIVE_Q("a ", "1") "," NEGATIVE_Q("a", "2") "]")),
         ":1: messages[1]: negative[1] and negative[0] are equal"}, /* Llama's template trims contents */
        {TREE("{\"role\":\"assistant\",\"content\":\"a\",\"strategy\":\"Affirmation\",\"negative\":[" NEGATIVE("a") "]}"),
         ":1: messages[1]: the preferred reply and negative[0] are equal"},
        {TREE(TURN("x", "")), ": no pairs: no turn has a reply to compare with"},
        {ESC_PAIR("u", "x", "", "y", "1") ESC_PAIR("u", "x", "", "x", "1"), ":2: chosen and rejected are equal"},
        {ESC_PAIR("u", "x", "", "y", "1") ESC_PAIR("u", "x", "", " ", "1"), ":2: the rejected reply is empty"},
        {ESC_PAIR("u", "x", "", "y", "1") ESC_PAIR("u", "x", "", "y ", "1"),
         ":1: the rejected reply of pair 1 and the rejected reply of pair 2 are equal"},
        {"{\"prompt\":\"p\",\"completions\":[\"a\",\"a\"]}", ":1: completions[0] and completions[1] are equal"},
        {"{\"prompt\":\"p\",\"completions\":[\"a\",\"b\",\"\"]}", ":1: completions[2] is empty"},
        {"{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"a\"}", ":1: chosen and rejected are equal"},
        {"{\"prompt\":\"p\",\"completion\":\"a\"}", ":1: prompt and completion: needs loss.type = \"sft\" (expected completions, "
                                                    "ESC-Pro trees or chosen and rejected replies)"},
        {"{\"prompt\":\"p\",\"completion\":\"a\",\"label\":true}",
         ":1: KTO record (with a label): needs loss.type = \"kto\" (expected completions, ESC-Pro trees or chosen and rejected "
         "replies)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_dataset data;
        cso_error err = {0};
        assert_int_equal(read_data(&data, cases[i][0], &LISTS, &err), CSO_ERR_INPUT);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("%s\n  found    %s\n  expected %s", cases[i][0], err.message, cases[i][1]);
    }
    cso_dataset data;
    cso_error err = {0};
    assert_int_equal(read_data(&data, "{\"prompt\":\"p\",\"completions\":[\"a\",\"b\"]}", &PAIRS, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, ":1: list (prompt, completions): needs loss.type = \"plackett_luce\" (expected chosen and "
                                        "rejected replies)"));
}

static size_t allocations_left;
static bool allow(size_t bytes) {
    (void)bytes;
    return allocations_left && allocations_left--;
}

/* Each allocation fails in turn: an error, and nothing leaks. */
static void check_memory(const char *path) {
    cso_data_options options = LISTS;
    options.max_length = 60;
    cso_status status = CSO_ERR_SYSTEM;
    for (size_t n = 0; status != CSO_OK; n++) {
        cso_dataset data;
        cso_error err = {0};
        allocations_left = n;
        cso_memory_set_hook(allow);
        status = cso_dataset_read(&data, &path, 1, llama.tokenizer, llama.chat, &options, &err);
        cso_memory_set_hook(NULL);
        if (status == CSO_OK)
            cso_dataset_free(&data);
        else
            assert_int_equal(status, CSO_ERR_SYSTEM);
    }
}

static void without_memory(void **state) {
    (void)state;
    static const char *const texts[] = {
        TREE(TURN("a", "") "," USER("v") "," TURN("b", ",\"negative\":[" NEGATIVE("c") "," NEGATIVE("d") "]")),
        ESC_PAIR("u", "x", "", "y", "1") ESC_PAIR("u", "x", "", "z", "1"),
        "{\"prompt\":\"p\",\"completions\":[\"a\",\"b\",\"c\"]}",
    };
    for (size_t i = 0; i < 3; i++) {
        const char *path = write_data("memory.jsonl", texts[i]);
        check_memory(path);
        remove(path);
    }
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
        cmocka_unit_test(in_order_of_q),  cmocka_unit_test(without_q),      cmocka_unit_test(of_two_is_the_pair),
        cmocka_unit_test(one_border),     cmocka_unit_test(of_pairs),       cmocka_unit_test(of_real_trees_and_pairs),
        cmocka_unit_test(of_completions), cmocka_unit_test(fingerprints),   cmocka_unit_test(truncation),
        cmocka_unit_test(refuses),        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
