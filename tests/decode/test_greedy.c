/* test_greedy.c - greedy replies: transformers' tokens, the same however many are made at a time, and what ends a reply. */
#include "decode_fixture.h"
#include "generate_fixture.h"

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
        cso_error error = {0};
        const cso_request one = {.prompt = prompt, .n_prompt = n_prompt, .max_tokens = n_expected};
        fixture_replies list = {.requests = &one, .n = 1};
        golden_ok(fixture_generate(&list, decoder, (cso_generate_options){0}, &error), &error);
        assert_int_equal(list.replies[0].n_ids, n_expected);
        assert_memory_equal(list.replies[0].ids, expected, n_expected * sizeof *expected);
        assert_int_equal(list.replies[0].finish, CSO_FINISH_LENGTH);
        assert_string_equal(list.replies[0].text, "");
        fixture_replies_free(&list);
        free(prompt);
        free(expected);
        cso_decoder_free(decoder);
        decode_fixture_close(&f);
        cJSON_Delete(root);
    }
}

/* Replies to prompts that share and differ, with and without adapters. Reply 2 is cancelled after its fifth token. */
static void make(const decode_fixture *f, const int32_t *ids, const int32_t *stop, size_t leaves, cso_request requests[REPLIES],
                 fixture_replies *list) {
    cso_decoder *decoder = fixture_decoder(f, 8 * fixture_page_bytes(f), 0);
    cso_error error = {0};
    for (size_t i = 0; i < REPLIES; i++)
        requests[i] = (cso_request){.adapter = f->adapters[i % FIXTURE_ADAPTERS],
                                    .prompt = ids + (i == 6),
                                    .n_prompt = 20 + 5 * i,
                                    .max_tokens = LONGEST,
                                    .stops = stop,
                                    .n_stops = 1};
    *list = (fixture_replies){.requests = requests, .n = REPLIES, .cancel_reply = 2, .cancel_at = 5};
    const cso_generate_options options = {.vocab = f->vocab - 1, .leaves = leaves};
    golden_ok(fixture_generate(list, decoder, options, &error), &error);
    for (size_t i = 0; i < REPLIES; i++)
        assert_int_equal(list->replies[i].told, list->replies[i].n_ids);
    assert_true(list->replies[2].n_ids == 5 || *stop >= 0);
    for (int a = 0; a < FIXTURE_ADAPTERS; a++)
        cso_decoder_forget(decoder, f->adapters[a]);
    assert_int_equal(cso_decoder_counts(decoder).bytes, 0); /* no session is left */
    cso_decoder_free(decoder);
}

static void several_at_once(void **state) {
    (void)state;
    for (size_t m = 0; fixture_models[m]; m++) {
        decode_fixture f = decode_fixture_open(fixture_models[m], 2);
        int32_t *ids = fixture_ids(&f, 60, 8), stop = -1;
        cso_request requests[REPLIES];
        fixture_replies one, list;
        make(&f, ids, &stop, 1, requests, &one);
        for (size_t i = 0; i < REPLIES; i++) {
            assert_int_equal(one.replies[i].n_ids, i == 2 ? 5 : LONGEST);
            assert_int_equal(one.replies[i].finish, i == 2 ? CSO_FINISH_CANCELLED : CSO_FINISH_LENGTH);
        }
        for (size_t leaves = 0; leaves < 5; leaves += 2) {
            make(&f, ids, &stop, leaves, requests, &list);
            fixture_replies_equal(&one, &list);
            fixture_replies_free(&list);
        }
        stop = one.replies[0].ids[10];
        make(&f, ids, &stop, 0, requests, &list); /* each reply ends before the first of these */
        for (size_t i = 0; i < REPLIES; i++) {
            size_t end = 0, n = one.replies[i].n_ids;
            while (end < n && one.replies[i].ids[end] != stop)
                end++;
            assert_int_equal(list.replies[i].n_ids, end);
            assert_int_equal(list.replies[i].finish, end < n ? CSO_FINISH_STOP : one.replies[i].finish);
        }
        assert_true(list.replies[0].n_ids <= 10);
        fixture_replies_free(&list);
        fixture_replies_free(&one);
        free(ids);
        decode_fixture_close(&f);
    }
}

static void nothing_to_do(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_error error = {0};
    int32_t id = 5;
    cso_request one = {.name = "prompts.jsonl:7", .prompt = &id, .n_prompt = 1};
    fixture_replies list = {.requests = &one, .n = 1};
    golden_ok(fixture_generate(&list, decoder, (cso_generate_options){0}, &error), &error);
    assert_int_equal(list.replies[0].n_ids, 0);
    assert_int_equal(list.replies[0].finish, CSO_FINISH_LENGTH);
    fixture_replies_free(&list);
    list.n = 0;
    golden_ok(fixture_generate(&list, decoder, (cso_generate_options){0}, &error), &error);
    fixture_replies_free(&list);
    list.n = 1;
    id = -3;
    assert_int_equal(fixture_generate(&list, decoder, (cso_generate_options){0}, &error), CSO_ERR_INPUT);
    assert_string_equal(error.message, "prompts.jsonl:7: token id -3 is not in the model's vocabulary of 1024");
    fixture_replies_free(&list);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(transformers_tokens), cmocka_unit_test(several_at_once),
                                       cmocka_unit_test(nothing_to_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
