/* test_marks.c - end tokens against TRL's CPO and ORPO trainers, and where strategies lie in the tokens. */
#include "data_fixture.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const MODELS[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};

static cso_status read_data(cso_dataset *data, const data_fixture *fixture, const char *text, const cso_data_options *options,
                            cso_error *err) {
    const char *path = write_data("marks.jsonl", text);
    return cso_dataset_read(data, &path, 1, fixture->tokenizer, fixture->chat, options, err);
}

static void check_reply(const char *model, size_t pair, const char *key, const cJSON *golden,
                        const cso_example_sequence *sequence) {
    size_t prompt, reply;
    int32_t *prompt_ids = golden_ids(cJSON_GetObjectItem(golden, "prompt_ids"), &prompt);
    int32_t *reply_ids = golden_ids(cJSON_GetObjectItem(golden, key), &reply);
    if (sequence->score_start != prompt || sequence->length != prompt + reply ||
        memcmp(sequence->ids, prompt_ids, prompt * sizeof *prompt_ids) ||
        memcmp(sequence->ids + prompt, reply_ids, reply * sizeof *reply_ids))
        fail_msg("%s: %s of pair %zu differ", model, key, pair);
    free(prompt_ids);
    free(reply_ids);
}

static void end_tokens_as_trl(void **state) {
    (void)state;
    static const char *const KEYS[2] = {"chosen_ids", "rejected_ids"};
    for (size_t m = 0; m < 3; m++)
        for (int kind = 0; kind < 3; kind++) {
            const cso_data_options options = {
                .kind = (cso_example_kind)kind, .max_length = 1 << 20, .parse_special = true, .end_token = true};
            const char *path = golden_path("pairs/%s", m == 2 ? "pairs_nosystem.jsonl" : "pairs.jsonl");
            data_fixture fixture = data_fixture_tiny(MODELS[m]);
            cJSON *golden = golden_json(golden_path("pref/%s/tokenized_cpo_orpo.json", MODELS[m]));
            cso_dataset data;
            cso_error err = {0};
            golden_ok(cso_dataset_read(&data, &path, 1, fixture.tokenizer, fixture.chat, &options, &err), &err);
            const cJSON *pairs = cJSON_GetObjectItem(golden, "pairs");
            assert_int_equal(cJSON_GetArraySize(pairs), data.count);
            for (size_t i = 0; i < data.count; i++)
                for (size_t k = 0; k < data.examples[i].n; k++)
                    check_reply(MODELS[m], i, KEYS[k], cJSON_GetArrayItem(pairs, (int)i), cso_dataset_sequences(&data, i) + k);
            cJSON_Delete(golden);
            cso_dataset_free(&data);
            data_fixture_close(&fixture);
        }
}

/* Texts end with EOS already; a conversation's counts as the token before it does. */
static void end_tokens_of_texts(void **state) {
    (void)state;
    static const char text[] = "{\"prompt\":\"How are you?\",\"chosen\":\" Fine.\",\"rejected\":\" No.\"}";
    static const char *const conversations[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
        "{\"role\":\"user\",\"content\":\"c\"}]}"};
    for (size_t m = 0; m < 3; m++) {
        data_fixture fixture = data_fixture_tiny(MODELS[m]);
        int32_t eos = cso_tokenizer_eos(fixture.tokenizer);
        cso_data_options options = {.max_length = 1 << 20};
        cso_dataset with, without;
        cso_error err = {0};
        golden_ok(read_data(&without, &fixture, text, &options, &err), &err);
        options.end_token = true;
        golden_ok(read_data(&with, &fixture, text, &options, &err), &err);
        assert_string_equal(with.fingerprint, without.fingerprint);
        cso_dataset_free(&with);
        cso_dataset_free(&without);
        options.kind = CSO_EXAMPLE_TEXT;
        for (int i = 0; i < 2; i++) {
            golden_ok(read_data(&with, &fixture, conversations[i], &options, &err), &err);
            const cso_example_sequence *sequence = cso_dataset_sequences(&with, 0);
            assert_int_equal(sequence->ids[sequence->length - 1], eos);
            assert_int_equal(sequence->scored[sequence->length - 1] != 0, i == 0);
            assert_int_equal(sequence->scored[0], 0);
            cso_dataset_free(&with);
        }
        data_fixture_close(&fixture);
    }
}

/* The end token is one of those that max_length counts. */
static void end_tokens_have_a_length(void **state) {
    (void)state;
    static const char record[] =
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\","
        "\"content\":\"c\"}],\"chosen\":{\"role\":\"assistant\",\"content\":\"d\"},"
        "\"rejected\":{\"role\":\"assistant\",\"content\":\"e\"}}";
    data_fixture fixture = data_fixture_tiny("qwen2-tiny");
    cso_data_options options = {.max_length = 1 << 20};
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_data(&data, &fixture, record, &options, &err), &err);
    size_t length = data.counts.max_tokens;
    cso_dataset_free(&data);
    options.end_token = true;
    options.max_length = length;
    golden_ok(read_data(&data, &fixture, record, &options, &err), &err);
    const cso_example_sequence *sequence = cso_dataset_sequences(&data, 0);
    assert_int_equal(data.counts.turns_dropped, 2);
    assert_int_equal(sequence->ids[sequence->length - 1], cso_tokenizer_eos(fixture.tokenizer));
    assert_int_not_equal(sequence->ids[sequence->length - 2], cso_tokenizer_eos(fixture.tokenizer)); /* once */
    cso_dataset_free(&data);
    data_fixture_close(&fixture);
}

static bool span_has(const cso_tokenizer *tokenizer, const cso_example_sequence *sequence, size_t from, size_t to,
                     const char *text) {
    char *bytes;
    size_t size;
    cso_error err = {0};
    golden_ok(cso_tokenizer_decode_bytes(tokenizer, sequence->ids + from, to - from, &bytes, &size, &err), &err);
    bool has = strstr(bytes, text) != NULL;
    free(bytes);
    return has;
}

/* The span holds "(Strategy)", and no shorter one does. */
static void check_span(const cso_tokenizer *tokenizer, const cso_example_sequence *sequence) {
    char text[64];
    size_t from = sequence->strategy_from, to = sequence->strategy_to;
    assert_non_null(sequence->strategy);
    snprintf(text, sizeof text, "(%s)", sequence->strategy);
    assert_true(from >= sequence->score_start && from < to && to < sequence->length);
    assert_true(span_has(tokenizer, sequence, from, to, text));
    assert_false(span_has(tokenizer, sequence, from + 1, to, text));
    assert_false(span_has(tokenizer, sequence, from, to - 1, text));
    assert_true(from <= sequence->score_start + 1); /* at most the template's newline is before it */
}

#define PAIR_OF(strategy)                                                                                                          \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"(Affirmation) is no reply\"}],\"chosen\":{\"role\":\"assistant\","            \
    "\"content\":\"(" strategy ") x (Affirmation)\"},\"reject\":{\"role\":\"assistant\",\"content\":\"(" strategy ")y\"}}\n"

static void strategies_lie_in_tokens(void **state) {
    (void)state;
    static const char pairs[] = PAIR_OF("Emotional Validation") PAIR_OF("Affirmation") PAIR_OF("Collaborative Planning")
        PAIR_OF("Empathetic Statements") PAIR_OF("Avoid Judgment and Criticism") PAIR_OF("Provide Different Perspectives")
            PAIR_OF("Reframe Negative Thoughts") PAIR_OF("Share Information");
    for (size_t m = 0; m < 3; m++)
        for (int kind = 0; kind < 3; kind++)
            for (int end = 0; end < 2; end++) {
                const cso_data_options options = {.kind = (cso_example_kind)kind, .max_length = 1 << 20, .end_token = end};
                data_fixture fixture = data_fixture_tiny(MODELS[m]);
                cso_dataset data;
                cso_error err = {0};
                golden_ok(read_data(&data, &fixture, pairs, &options, &err), &err);
                assert_int_equal(data.count, 8);
                for (size_t s = 0; s < data.n_sequences; s++)
                    check_span(fixture.tokenizer, &data.sequences[s]);
                cso_dataset_free(&data);
                data_fixture_close(&fixture);
            }
}

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define TURN(strategy, text, negative)                                                                                             \
    "{\"role\":\"assistant\",\"content\":\"" text "\",\"strategy\":\"" strategy                                                    \
    "\",\"negative\":[{\"content\":\"no\",\"strategy\":\"" negative "\"}]}"

/* A tree whose first turn is cut off; a strategy of another name has no span, nor has a reply that is no ESC-Pro record's. */
static void strategies_of_trees(void **state) {
    (void)state;
    static const char tree[] = "{\"messages\":[" USER("one") "," TURN("Affirmation", "two", "Share Information") "," USER(
        "three") "," TURN("Odd one", "four", "Empathetic Statements") "]}\n";
    data_fixture fixture = data_fixture_tiny("gemma2-tiny");
    cso_data_options options = {.max_length = 1 << 20, .system_prompt = "Be kind."};
    cso_dataset data;
    cso_error err = {0};
    golden_ok(read_data(&data, &fixture, tree, &options, &err), &err);
    options.max_length = data.counts.max_tokens - 1;
    for (int cut = 0; cut < 2; cut++) {
        assert_int_equal(data.counts.truncated, cut);
        const cso_example_sequence *sequences = data.sequences;
        check_span(fixture.tokenizer, &sequences[0]);
        check_span(fixture.tokenizer, &sequences[1]);
        assert_null(sequences[2].strategy);
        assert_int_equal(sequences[2].strategy_from, sequences[2].strategy_to);
        check_span(fixture.tokenizer, &sequences[3]);
        cso_dataset_free(&data);
        golden_ok(read_data(&data, &fixture, tree, &options, &err), &err);
    }
    cso_dataset_free(&data);
    options.max_length = 1 << 20;
    golden_ok(read_data(&data, &fixture, "{\"prompt\":\"a\",\"chosen\":\"(Affirmation) b\",\"rejected\":\"c\"}", &options, &err),
              &err);
    assert_null(data.sequences[0].strategy);
    assert_int_equal(data.sequences[0].strategy_from, data.sequences[0].strategy_to);
    cso_dataset_free(&data);
    data_fixture_close(&fixture);
}

/* Every reply of the large sample, with real vocabularies. */
static void strategies_of_real_tokenizers(void **state) {
    (void)state;
    static const char *const names[] = {"llama3", "qwen2.5", "gemma2"};
    const char *path = shared_path("data/esc/valid.pairs.jsonl");
    if (!path)
        skip();
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        const cso_data_options options = {.max_length = 1 << 20};
        cso_dataset data;
        cso_error err = {0};
        snprintf(name, sizeof name, "data/tokenizers/%s", names[i]);
        data_fixture fixture = data_fixture_open(shared_path(name));
        golden_ok(cso_dataset_read(&data, &path, 1, fixture.tokenizer, fixture.chat, &options, &err), &err);
        for (size_t s = 0; s < data.n_sequences; s++)
            check_span(fixture.tokenizer, &data.sequences[s]);
        cso_dataset_free(&data);
        data_fixture_close(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_tokens_as_trl),        cmocka_unit_test(end_tokens_of_texts),
        cmocka_unit_test(end_tokens_have_a_length), cmocka_unit_test(strategies_lie_in_tokens),
        cmocka_unit_test(strategies_of_trees),      cmocka_unit_test(strategies_of_real_tokenizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
