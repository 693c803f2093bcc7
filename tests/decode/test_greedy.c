/* test_greedy.c - greedy replies: transformers' tokens, the same however many are made at a time, and what ends a reply. */
#include "decode_fixture.h"

#include "decode/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPLIES = 7, LONGEST = 40 };

static void transformers_tokens(void **state) {
    (void)state;
    for (size_t m = 0; fixture_models[m]; m++) {
        cJSON *root = golden_json(golden_path("forward/%s.json", fixture_models[m]));
        const cJSON *object = cJSON_GetObjectItem(root, "greedy");
        size_t n_prompt, n_expected;
        int32_t *prompt = golden_ids(cJSON_GetObjectItem(object, "prompt"), &n_prompt);
        int32_t *expected = golden_ids(cJSON_GetObjectItem(object, "continuation"), &n_expected);
        decode_fixture f = decode_fixture_open(fixture_models[m], 0);
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        cso_ids reply = {0};
        cso_error error = {0};
        const cso_generate_options options = {.max_tokens = n_expected};
        const cso_generation one = {NULL, prompt, n_prompt, &reply};
        golden_ok(cso_generate_greedy(decoder, &one, 1, &options, &error), &error);
        assert_int_equal(reply.count, n_expected);
        assert_memory_equal(reply.ids, expected, n_expected * sizeof *expected);
        free(reply.ids);
        free(prompt);
        free(expected);
        cso_decoder_free(decoder);
        decode_fixture_close(&f);
        cJSON_Delete(root);
    }
}

/* Ends reply 2 after its fifth token. */
static cso_status count_tokens(void *context, size_t which, int32_t id, bool *stop, cso_error *err) {
    (void)id;
    (void)err;
    *stop = ++((size_t *)context)[which] == 5 && which == 2;
    return CSO_OK;
}

/* Replies to prompts that share and differ, with and without adapters. */
static void make(const decode_fixture *f, const int32_t *ids, int32_t stop, size_t leaves, cso_ids replies[REPLIES]) {
    cso_decoder *decoder = fixture_decoder(f, 8 * fixture_page_bytes(f), 0);
    cso_generation list[REPLIES];
    size_t counts[REPLIES] = {0};
    cso_error error = {0};
    for (size_t i = 0; i < REPLIES; i++) {
        replies[i] = (cso_ids){0};
        list[i] = (cso_generation){f->adapters[i % FIXTURE_ADAPTERS], ids + (i == 6), 20 + 5 * i, &replies[i]};
    }
    const cso_generate_options options = {.max_tokens = LONGEST,
                                          .vocab = f->vocab - 1,
                                          .stops = &stop,
                                          .n_stops = 1,
                                          .leaves = leaves,
                                          .token = count_tokens,
                                          .context = counts};
    golden_ok(cso_generate_greedy(decoder, list, REPLIES, &options, &error), &error);
    for (size_t i = 0; i < REPLIES; i++)
        assert_int_equal(counts[i], replies[i].count);
    assert_true(replies[2].count == 5 || stop >= 0);
    for (int a = 0; a < FIXTURE_ADAPTERS; a++)
        cso_decoder_forget(decoder, f->adapters[a]);
    assert_int_equal(cso_decoder_counts(decoder).bytes, 0); /* no session is left */
    cso_decoder_free(decoder);
}

static void release(cso_ids replies[REPLIES]) {
    for (size_t i = 0; i < REPLIES; i++)
        free(replies[i].ids);
}

static void several_at_once(void **state) {
    (void)state;
    for (size_t m = 0; fixture_models[m]; m++) {
        decode_fixture f = decode_fixture_open(fixture_models[m], 2);
        int32_t *ids = fixture_ids(&f, 60, 8);
        cso_ids one[REPLIES], replies[REPLIES];
        make(&f, ids, -1, 1, one);
        int32_t stop = one[0].ids[10];
        for (size_t leaves = 0; leaves < 5; leaves += 2) {
            make(&f, ids, -1, leaves, replies);
            for (size_t i = 0; i < REPLIES; i++) {
                assert_int_equal(replies[i].count, i == 2 ? 5 : LONGEST);
                assert_memory_equal(replies[i].ids, one[i].ids, one[i].count * sizeof(int32_t));
            }
            release(replies);
        }
        make(&f, ids, stop, 0, replies); /* each reply ends before the first of these */
        for (size_t i = 0; i < REPLIES; i++) {
            size_t end = 0;
            while (end < one[i].count && one[i].ids[end] != stop)
                end++;
            assert_int_equal(replies[i].count, end);
        }
        assert_true(replies[0].count <= 10);
        release(replies);
        release(one);
        free(ids);
        decode_fixture_close(&f);
    }
}

static void nothing_to_do(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_ids reply = {0};
    cso_error error = {0};
    int32_t id = 5;
    const cso_generation one = {NULL, &id, 1, &reply};
    golden_ok(cso_generate_greedy(decoder, &one, 1, &(cso_generate_options){0}, &error), &error);
    assert_int_equal(reply.count, 0);
    golden_ok(cso_generate_greedy(decoder, NULL, 0, &(cso_generate_options){.max_tokens = 3}, &error), &error);
    id = -3;
    assert_int_equal(cso_generate_greedy(decoder, &one, 1, &(cso_generate_options){.max_tokens = 3}, &error), CSO_ERR_INPUT);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(transformers_tokens), cmocka_unit_test(several_at_once),
                                       cmocka_unit_test(nothing_to_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
