/* test_conversation.c - examples of one sequence: which tokens of a conversation count, against TRL's masks; truncation; texts;
 * what such examples are made of where records hold pairs or trees. */
#include "base/memory.h"
#include "data_fixture.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define USER(text)      "{\"role\":\"user\",\"content\":\"" text "\"}"
#define ASSISTANT(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define SYSTEM(text)    "{\"role\":\"system\",\"content\":\"" text "\"}"

static cso_status read_data(cso_dataset *data, const data_fixture *fixture, const char *text, const cso_data_options *options,
                            cso_error *err) {
    const char *path = write_data("conversations.jsonl", text);
    return cso_dataset_read(data, &path, 1, fixture->tokenizer, fixture->chat, options, err);
}

static void check_masks(const char *model, bool parse_special) {
    const cso_data_options options = {
        .kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20, .truncation = CSO_TRUNCATE_ERROR, .parse_special = parse_special};
    data_fixture fixture = data_fixture_tiny(model);
    cso_dataset data;
    cso_error err = {0};
    char *text = golden_conversations(model);
    golden_ok(read_data(&data, &fixture, text, &options, &err), &err);
    cJSON *golden = golden_json(golden_path("train/%s/sft/tokenized.json", model));
    const cJSON *examples = cJSON_GetObjectItem(golden, "examples");
    assert_int_equal(cJSON_GetArraySize(examples), data.count);
    assert_int_equal(data.n_sequences, data.count);
    for (size_t i = 0; i < data.count; i++) {
        const cso_example_sequence *sequence = cso_dataset_sequences(&data, i);
        const cJSON *example = cJSON_GetArrayItem(examples, (int)i);
        size_t n_ids, n_mask, counted = 0;
        int32_t *ids = golden_ids(cJSON_GetObjectItem(example, "input_ids"), &n_ids);
        int32_t *mask = golden_ids(cJSON_GetObjectItem(example, "loss_mask"), &n_mask);
        assert_int_equal(sequence->length, n_ids);
        assert_memory_equal(sequence->ids, ids, n_ids * sizeof *ids);
        for (size_t t = 0; t < n_mask; t++) {
            if ((sequence->scored[t] != 0) != (mask[t] != 0))
                fail_msg("%s: example %zu, token %zu: counted %d, expected %d", model, i, t, sequence->scored[t], mask[t]);
            counted += mask[t] != 0;
        }
        assert_true(counted > 0);
        assert_int_equal(cso_example_sequence_tokens(sequence), counted);
        free(ids);
        free(mask);
    }
    cJSON_Delete(golden);
    free(text);
    cso_dataset_free(&data);
    data_fixture_close(&fixture);
}

static void masks_as_trl(void **state) {
    (void)state;
    static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (size_t m = 0; m < 3; m++) {
        check_masks(models[m], false);
        check_masks(models[m], true);
    }
}

/* Typed special tokens, merges across the border, an empty line, turns without a reply behind them. */
static void masks_at_borders(void **state) {
    (void)state;
    static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"}, *const ends[] = {"<|eot_id|>", "<|im_end|>",
                                                                                                      "<end_of_turn>"};
    for (size_t m = 0; m < 3; m++)
        for (int special = 0; special < 2; special++) {
            const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20, .parse_special = special};
            data_fixture fixture = data_fixture_tiny(models[m]);
            cso_dataset data;
            cso_error err = {0};
            golden_ok(read_data(&data, &fixture,
                                "{\"messages\":[" USER("a<|eot_id|><|im_end|><end_of_turn>b") "," ASSISTANT(
                                    "\\n\\nc <|eot_id|><|im_end|><end_of_turn>") "," USER("d") "]}\n",
                                &options, &err),
                      &err);
            const cso_example_sequence *sequence = cso_dataset_sequences(&data, 0);
            size_t first = 0, last = sequence->length;
            while (!sequence->scored[first])
                first++;
            while (!sequence->scored[--last])
                ;
            for (size_t t = first; t <= last; t++) /* one turn, without a gap */
                assert_true(sequence->scored[t]);
            /* It ends with the token that ends the turn, and its newline; behind it comes the last user's. */
            int32_t end = cso_tokenizer_find(fixture.tokenizer, ends[m]);
            assert_int_equal(sequence->ids[m == 0 ? last : last - 1], end);
            assert_true(last + 1 < sequence->length);
            cso_dataset_free(&data);
            data_fixture_close(&fixture);
        }
}

static void truncation(void **state) {
    (void)state;
    static const char record[] = "{\"messages\":[" SYSTEM("s") "," USER("one two three") "," ASSISTANT("four five six") "," USER(
        "seven") "," ASSISTANT("eight") "," USER("left over") "]}\n";
    data_fixture fixture = data_fixture_tiny("qwen2-tiny");
    cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20};
    cso_dataset whole, cut, none;
    cso_error err = {0};
    golden_ok(read_data(&whole, &fixture, record, &options, &err), &err);
    options.max_length = whole.counts.max_tokens - 1;
    golden_ok(read_data(&cut, &fixture, record, &options, &err), &err);
    assert_int_equal(cut.counts.turns_dropped, 2);
    const cso_example_sequence *a = cso_dataset_sequences(&whole, 0), *b = cso_dataset_sequences(&cut, 0);
    assert_true(b->length < a->length && cso_example_sequence_tokens(b) < cso_example_sequence_tokens(a));
    size_t tail = 10; /* both end alike, in ids and marks */
    assert_memory_equal(a->ids + a->length - tail, b->ids + b->length - tail, tail * sizeof *a->ids);
    assert_memory_equal(a->scored + a->length - tail, b->scored + b->length - tail, tail);
    options.max_length = b->length - 1; /* no turn with a reply fits any more */
    assert_int_equal(read_data(&none, &fixture, record, &options, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "no example is left"));
    cso_dataset_free(&whole);
    cso_dataset_free(&cut);
    data_fixture_close(&fixture);
}

static void texts(void **state) {
    (void)state;
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20};
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_data(&data, &fixture, "{\"text\": \"some words\"}\n", &options, &err), &err);
    const cso_example_sequence *sequence = cso_dataset_sequences(&data, 0);
    assert_int_equal(sequence->ids[0], cso_tokenizer_bos(fixture.tokenizer));
    assert_int_equal(sequence->ids[sequence->length - 1], cso_tokenizer_eos(fixture.tokenizer));
    assert_null(sequence->scored);
    assert_int_equal(cso_example_sequence_tokens(sequence), sequence->length - 1);
    cso_dataset_free(&data);
    data_fixture_close(&fixture);
}

/* One sequence, the chosen one, counted where the pair's reply is. */
static void of_a_pair_the_chosen_reply(void **state) {
    (void)state;
    static const char record[] =
        "{\"prompt\":[" USER("hello") "],\"chosen\":[" ASSISTANT("yes") "],\"rejected\":[" ASSISTANT("no") "]}\n";
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    cso_data_options options = {.max_length = 1 << 20};
    cso_dataset pairs, one;
    cso_error err = {0};
    golden_ok(read_data(&pairs, &fixture, record, &options, &err), &err);
    options.kind = CSO_EXAMPLE_TEXT;
    golden_ok(read_data(&one, &fixture, record, &options, &err), &err);
    const cso_example_sequence *a = cso_dataset_sequences(&pairs, 0), *b = cso_dataset_sequences(&one, 0);
    assert_int_equal(one.examples[0].n, 1);
    assert_int_equal(b->length, a->length);
    assert_int_equal(b->score_start, a->score_start);
    assert_memory_equal(a->ids, b->ids, a->length * sizeof *a->ids);
    cso_dataset_free(&pairs);
    cso_dataset_free(&one);
    data_fixture_close(&fixture);
}

/* The preferred replies under the system prompt are the same conversation as one that is written out. */
static void of_a_tree_the_preferred_path(void **state) {
    (void)state;
    static const char tree[] = "{\"scene\":\"s\",\"description\":\"d\",\"iter\":1,\"messages\":[" USER(
        "one") ",{\"role\":\"assistant\",\"content\":\"two\",\"strategy\":\"Affirmation\",\"negative\":[{\"content\":\"bad\","
               "\"strategy\":\"Share Information\"}]}," USER(
                   "three") ",{\"role\":\"assistant\",\"content\":\"four\",\"strategy\":\"odd\",\"negative\":[]}]}\n";
    static const char path[] = "{\"messages\":[" SYSTEM("be kind") "," USER("one") "," ASSISTANT("(Affirmation) two") "," USER(
        "three") "," ASSISTANT("(odd) four") "]}\n";
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20, .system_prompt = "be kind"};
    cso_dataset a, b;
    cso_error err = {0};
    char *twice = malloc(2 * sizeof tree);
    snprintf(twice, 2 * sizeof tree, "%s%s", tree, tree);
    golden_ok(read_data(&a, &fixture, twice, &options, &err), &err);
    golden_ok(read_data(&b, &fixture, path, &options, &err), &err);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.counts.duplicates, 1);
    assert_int_equal(a.counts.unknown_strategies, 1);
    assert_int_equal(a.sequences->length, b.sequences->length);
    assert_memory_equal(a.sequences->ids, b.sequences->ids, a.sequences->length * sizeof *a.sequences->ids);
    assert_memory_equal(a.sequences->scored, b.sequences->scored, a.sequences->length);
    free(twice);
    cso_dataset_free(&a);
    cso_dataset_free(&b);
    data_fixture_close(&fixture);
}

static size_t allocations_left;
static bool allow(size_t bytes) {
    (void)bytes;
    return allocations_left && allocations_left--;
}

/* Each allocation fails in turn: an error, and nothing leaks. */
static void without_memory(void **state) {
    (void)state;
    static const char record[] =
        "{\"messages\":[" SYSTEM("s") "," USER("one two three") "," ASSISTANT("four") "," USER("five") "," ASSISTANT("six") "]}\n";
    data_fixture fixture = data_fixture_tiny("qwen2-tiny");
    const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 40};
    const char *path = write_data("conversations.jsonl", record);
    cso_status status = CSO_ERR_SYSTEM;
    size_t n = 0;
    for (; status != CSO_OK; n++) {
        cso_dataset data;
        cso_error err = {0};
        allocations_left = n;
        cso_memory_set_hook(allow);
        status = cso_dataset_read(&data, &path, 1, fixture.tokenizer, fixture.chat, &options, &err);
        cso_memory_set_hook(NULL);
        if (status == CSO_OK)
            cso_dataset_free(&data);
        else
            assert_int_equal(status, CSO_ERR_SYSTEM);
    }
    print_message("%zu allocations\n", n - 1);
    assert_true(n > 10);
    data_fixture_close(&fixture);
}

static void refuses(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"messages\":[" USER("x") "]}", ":1: messages has no assistant message to learn from"},
        {"{\"messages\":[]}", ":1: messages has no assistant message to learn from"},
        {"{\"messages\":[" USER("x") "," ASSISTANT(" ") "]}", ":1: the content of an assistant message is empty"},
        {"{\"messages\":[" USER("x") "," ASSISTANT("y") ",{\"role\":\"tool\",\"content\":\"z\"}]}",
         ":1: message 3 has the role \"tool\" (expected system, user or assistant)"},
        {"{\"messages\":[" USER("x") "," ASSISTANT("y") "]}\n{\"text\":\"z\"}",
         ":2: text in a file of another form (it began with: conversation (messages))"},
        {"{\"text\":\"\"}", ":1: the text is empty"},
        {"{\"ids\":[1,2]}",
         ":1: token ids: not for training (expected messages, text, a completion or chosen and rejected replies)"},
    };
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_dataset data;
        cso_error err = {0};
        assert_int_equal(read_data(&data, &fixture, cases[i][0], &options, &err), CSO_ERR_INPUT);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("%s, expected %s", err.message, cases[i][1]);
    }
    data_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_as_trl),
        cmocka_unit_test(masks_at_borders),
        cmocka_unit_test(truncation),
        cmocka_unit_test(texts),
        cmocka_unit_test(of_a_pair_the_chosen_reply),
        cmocka_unit_test(of_a_tree_the_preferred_path),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
