/* test_render.c - where replies begin and which tokens they have, against TRL's own tokenization; plain texts; truncation. */
#include "data_fixture.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_pairs(const char *path, const data_fixture *fixture, const cso_data_options *options, pair_list *list);

typedef struct read_context {
    const data_fixture *fixture;
    const cso_data_options *options;
    pair_list *list;
} read_context;

static cso_status read_one(void *context, const cJSON *record, size_t line, cso_error *err) {
    read_context *read = context;
    char place[32];
    cso_record_form form;
    snprintf(place, sizeof place, "line %zu", line);
    CSO_TRY(cso_record_detect(record, place, &form, err));
    const cso_record_request request = {record, form, place, read->fixture->tokenizer, read->fixture->chat, read->options};
    return cso_record_pairs(&request, pair_list_visit, read->list, err);
}

static void read_pairs(const char *path, const data_fixture *fixture, const cso_data_options *options, pair_list *list) {
    read_context read = {fixture, options, list};
    cso_error err = {0};
    list->count = 0;
    golden_ok(cso_json_each(path, read_one, &read, &err), &err);
}

static void check_ids(const char *what, size_t pair, const cJSON *expected, const int32_t *ids, size_t count) {
    size_t expected_count;
    int32_t *expected_ids = golden_ids(expected, &expected_count);
    bool equal = expected_count == count && !memcmp(expected_ids, ids, count * sizeof *ids);
    free(expected_ids);
    if (!equal)
        fail_msg("%s of pair %zu: %zu ids differ from the %zu expected", what, pair, count, expected_count);
}

static void compare(const char *model, const char *pairs, const char *tokenized) {
    const char *pairs_path = golden_path("pairs/%s", pairs), *tokenized_path = golden_path("pref/%s/%s", model, tokenized);
    if (!pairs_path || !tokenized_path)
        skip();
    static const cso_data_options OPTIONS = {.max_length = 1 << 20, .truncation = CSO_TRUNCATE_ERROR, .parse_special = true};
    data_fixture fixture = data_fixture_tiny(model);
    pair_list list;
    read_pairs(pairs_path, &fixture, &OPTIONS, &list);
    cJSON *golden = golden_json(tokenized_path);
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(golden, "pairs");
    assert_int_equal(cJSON_GetArraySize(expected), list.count);
    assert_true(list.count > 0);
    for (size_t i = 0; i < list.count; i++) {
        const cJSON *item = cJSON_GetArrayItem(expected, (int)i);
        const cso_pair_tokens *pair = &list.items[i];
        size_t prompt = pair->prompt_length;
        check_ids("prompt", i, cJSON_GetObjectItemCaseSensitive(item, "prompt_ids"), pair->sequence[0].ids, prompt);
        assert_memory_equal(pair->sequence[0].ids, pair->sequence[1].ids, prompt * sizeof(int32_t));
        check_ids("chosen", i, cJSON_GetObjectItemCaseSensitive(item, "chosen_ids"), pair->sequence[0].ids + prompt,
                  pair->sequence[0].count - prompt);
        check_ids("rejected", i, cJSON_GetObjectItemCaseSensitive(item, "rejected_ids"), pair->sequence[1].ids + prompt,
                  pair->sequence[1].count - prompt);
    }
    print_message("%s %s: %zu pairs equal\n", model, tokenized, list.count);
    cJSON_Delete(golden);
    pair_list_free(&list);
    data_fixture_close(&fixture);
}

static void test_llama(void **state) {
    (void)state;
    compare("llama-tiny", "pairs.jsonl", "tokenized.json");
    compare("llama-tiny", "edge.jsonl", "tokenized_edge.json");
}

static void test_qwen2(void **state) {
    (void)state;
    compare("qwen2-tiny", "pairs.jsonl", "tokenized.json");
    compare("qwen2-tiny", "edge.jsonl", "tokenized_edge.json");
}

static void test_gemma2(void **state) {
    (void)state;
    compare("gemma2-tiny", "pairs_nosystem.jsonl", "tokenized.json");
    compare("gemma2-tiny", "edge_nosystem.jsonl", "tokenized_edge.json");
}

/* Without parse_special, what a user typed is no control token: the turn ends in the chosen reply once, at its end. */
static void test_typed_specials(void **state) {
    (void)state;
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    const char *path = write_data("typed.jsonl", "{\"prompt\":[{\"role\":\"user\",\"content\":\"<|eot_id|>\"}],"
                                                 "\"chosen\":[{\"role\":\"assistant\",\"content\":\"a<|eot_id|>b\"}],"
                                                 "\"rejected\":[{\"role\":\"assistant\",\"content\":\"c\"}]}");
    int32_t end = cso_tokenizer_find(fixture.tokenizer, "<|eot_id|>");
    for (int parse = 0; parse < 2; parse++) {
        cso_data_options options = {.max_length = 1000, .parse_special = parse};
        pair_list list;
        size_t ends = 0;
        read_pairs(path, &fixture, &options, &list);
        for (size_t i = list.items[0].prompt_length; i < list.items[0].sequence[0].count; i++)
            ends += list.items[0].sequence[0].ids[i] == end;
        assert_int_equal(ends, 1 + parse);
        pair_list_free(&list);
    }
    remove(path);
    data_fixture_close(&fixture);
}

static void check_plain(const data_fixture *fixture, const char *record, const char *whole, size_t side) {
    static const cso_data_options OPTIONS = {.max_length = 1000};
    const char *path = write_data("plain.jsonl", record);
    pair_list list;
    cso_ids expected = {0};
    cso_error err = {0};
    read_pairs(path, fixture, &OPTIONS, &list);
    int32_t bos = cso_tokenizer_bos(fixture->tokenizer), eos = cso_tokenizer_eos(fixture->tokenizer);
    expected.ids = calloc(1, sizeof *expected.ids);
    expected.capacity = 1;
    if (cso_tokenizer_adds_bos(fixture->tokenizer)) {
        expected.ids[0] = bos;
        expected.count = 1;
    }
    golden_ok(cso_tokenizer_encode(fixture->tokenizer, whole, strlen(whole), false, &expected, &err), &err);
    const cso_ids *found = &list.items[0].sequence[side];
    assert_int_equal(found->count, expected.count + 1);
    assert_memory_equal(found->ids, expected.ids, expected.count * sizeof *expected.ids);
    assert_int_equal(found->ids[expected.count], eos);
    free(expected.ids);
    pair_list_free(&list);
    remove(path);
}

static void test_plain_text(void **state) {
    (void)state;
    static const char *const MODELS[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (size_t i = 0; i < 3; i++) {
        data_fixture fixture = data_fixture_tiny(MODELS[i]);
        static const char RECORD[] = "{\"prompt\":\"How are you?\",\"chosen\":\" Fine.\",\"rejected\":\" No.\"}";
        check_plain(&fixture, RECORD, "How are you? Fine.", 0);
        check_plain(&fixture, RECORD, "How are you? No.", 1);
        check_plain(&fixture, "{\"chosen\":\"Q A: yes\",\"rejected\":\"Q A: no\"}", "Q A: yes", 0);
        /* An EOS text that is there already is not doubled. */
        char *eos_text, record[256];
        size_t size;
        int32_t eos = cso_tokenizer_eos(fixture.tokenizer);
        cso_error err = {0};
        golden_ok(cso_tokenizer_decode_bytes(fixture.tokenizer, &eos, 1, &eos_text, &size, &err), &err);
        snprintf(record, sizeof record, "{\"prompt\":\"Hi\",\"chosen\":\" Fine.%s\",\"rejected\":\" No.\"}", eos_text);
        check_plain(&fixture, record, "Hi Fine.", 0);
        free(eos_text);
        data_fixture_close(&fixture);
    }
}

/* Truncation by whole turns: what is left is the rendering of the shorter conversation, to the token. */
static const char TURN_FORMAT[] = "{\"role\":\"user\",\"content\":\"question %d about a thing\"},"
                                  "{\"role\":\"assistant\",\"content\":\"answer %d to that\"},";

/* A record with a system message, the turns from `first` on, and a last user message. */
static const char *turns_record(int first, int turns) {
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "{\"prompt\":[{\"role\":\"system\",\"content\":\"Be kind.\"},");
    for (int i = first; i < turns; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, TURN_FORMAT, i, i);
    snprintf(text + used, sizeof text - used,
             "{\"role\":\"user\",\"content\":\"the last one\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"yes, good\"}],"
             "\"rejected\":[{\"role\":\"assistant\",\"content\":\"no, and this one is longer\"}]}");
    return write_data("turns.jsonl", text);
}

static void test_truncation(void **state) {
    (void)state;
    enum { TURNS = 9 };
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    static const cso_data_options WHOLE = {.max_length = 1 << 20};
    pair_list whole[TURNS + 1], cut;
    for (int first = 0; first <= TURNS; first++)
        read_pairs(turns_record(first, TURNS), &fixture, &WHOLE, &whole[first]);
    const char *path = turns_record(0, TURNS);
    size_t longest = whole[0].items[0].sequence[1].count, shortest = whole[TURNS].items[0].sequence[1].count;
    assert_true(whole[0].items[0].sequence[0].count < longest);
    for (size_t max_length = shortest - 2; max_length <= longest + 1; max_length++) {
        cso_data_options options = {.max_length = max_length, .truncation = CSO_TRUNCATE_LEFT};
        int first = 0;
        while (first <= TURNS && whole[first].items[0].sequence[1].count > max_length)
            first++;
        read_pairs(path, &fixture, &options, &cut);
        const cso_pair_tokens *pair = &cut.items[0];
        assert_int_equal(pair->dropped, first > TURNS);
        if (first <= TURNS) {
            const cso_pair_tokens *expected = &whole[first].items[0];
            assert_int_equal(pair->turns_dropped, 2 * first);
            assert_int_equal(pair->prompt_length, expected->prompt_length);
            for (int i = 0; i < 2; i++) {
                assert_int_equal(pair->sequence[i].count, expected->sequence[i].count);
                assert_memory_equal(pair->sequence[i].ids, expected->sequence[i].ids, pair->sequence[i].count * sizeof(int32_t));
            }
        }
        pair_list_free(&cut);
        options.truncation = CSO_TRUNCATE_DROP;
        read_pairs(path, &fixture, &options, &cut);
        assert_int_equal(cut.items[0].dropped, max_length < longest);
        assert_int_equal(cut.items[0].turns_dropped, 0);
        pair_list_free(&cut);
    }
    cso_data_options options = {.max_length = longest - 1, .truncation = CSO_TRUNCATE_ERROR};
    read_context read = {&fixture, &options, &cut};
    cso_error err = {0};
    char expected[128];
    assert_int_equal(cso_json_each(path, read_one, &read, &err), CSO_ERR_INPUT);
    snprintf(expected, sizeof expected, "line 1: %zu tokens of prompt and reply are more than data.max_length = %zu", longest,
             longest - 1);
    assert_string_equal(err.message, expected);
    for (int first = 0; first <= TURNS; first++)
        pair_list_free(&whole[first]);
    remove(path);
    data_fixture_close(&fixture);
}

/* What Gemma's template refuses names the line. */
static void test_template_error(void **state) {
    (void)state;
    data_fixture fixture = data_fixture_tiny("gemma2-tiny");
    const char *path =
        write_data("gemma.jsonl", "\n{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}],"
                                  "\"chosen\":[{\"role\":\"assistant\",\"content\":\"c\"}],"
                                  "\"rejected\":[{\"role\":\"assistant\",\"content\":\"d\"}]}");
    static const cso_data_options OPTIONS = {.max_length = 1000};
    pair_list list = {.count = 0};
    read_context read = {&fixture, &OPTIONS, &list};
    cso_error err = {0};
    assert_int_equal(cso_json_each(path, read_one, &read, &err), CSO_ERR_INPUT);
    assert_memory_equal(err.message, "line 2: ", 8);
    remove(path);
    data_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama),          cmocka_unit_test(test_qwen2),      cmocka_unit_test(test_gemma2),
        cmocka_unit_test(test_typed_specials), cmocka_unit_test(test_plain_text), cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_template_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
