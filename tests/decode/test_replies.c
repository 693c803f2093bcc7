/* test_replies.c - replies with options: the same alone, among others and with any threads; forks of a prompt; texts. */
#include "../faults.h"
#include "decode_fixture.h"
#include "generate_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 8, FORKS = 3, PROMPT = 30, TOKENS = 24 };
static const char *const model = "llama-tiny";

static cso_tokenizer *open_tokenizer(void) {
    cso_tokenizer *tokenizer;
    cso_error error = {0};
    golden_ok(cso_tokenizer_open(&tokenizer, golden_path("models/%s", model), &error), &error);
    return tokenizer;
}

/* Requests of every kind of option. */
static void set_requests(cso_request *requests, const int32_t *ids, const cso_logit_bias *bias) {
    static const cso_sampling samplings[REQUESTS] = {{0},
                                                     {.temperature = 1},
                                                     {.temperature = 0.7, .top_k = 20, .seed = 3},
                                                     {.temperature = 1.5, .top_p = 0.8, .repetition_penalty = 1.2},
                                                     {.repetition_penalty = 1.3},
                                                     {.temperature = 1, .min_p = 0.1, .presence_penalty = 0.5},
                                                     {.temperature = 2, .frequency_penalty = 0.7},
                                                     {.temperature = 1, .seed = 3}};
    for (size_t i = 0; i < REQUESTS; i++) {
        requests[i] = (cso_request){.prompt = ids + (i == 5),
                                    .n_prompt = PROMPT - i % 3,
                                    .sampling = samplings[i],
                                    .sequence = i,
                                    .n = FORKS,
                                    .max_tokens = TOKENS - i,
                                    .n_top = i % 4,
                                    .logps = i == 4};
        if (i == 7) {
            requests[i].sampling.bias = bias;
            requests[i].sampling.n_bias = 1;
            requests[i].prefix = "I hear you. ";
        }
    }
}

static fixture_replies make(const cso_request *requests, size_t n, const cso_tokenizer *tokenizer, int threads, size_t leaves) {
    decode_fixture f = decode_fixture_open(model, threads);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_error error = {0};
    fixture_replies list = {.requests = requests, .n = n};
    const cso_generate_options options = {.tokenizer = tokenizer, .leaves = leaves};
    golden_ok(fixture_generate(&list, decoder, options, &error), &error);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
    return list;
}

static int32_t *prompt_ids(size_t count, uint32_t seed) {
    decode_fixture f = decode_fixture_open(model, 1);
    int32_t *ids = fixture_ids(&f, count, seed);
    decode_fixture_close(&f);
    return ids;
}

static void alone_and_among_others(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer();
    int32_t *ids = prompt_ids(PROMPT + 1, 8);
    const cso_logit_bias bias = {17, 3};
    cso_request requests[REQUESTS];
    set_requests(requests, ids, &bias);
    fixture_replies all = make(requests, REQUESTS, tokenizer, 1, 16);
    static const struct {
        int threads;
        size_t leaves;
    } ways[] = {{1, 1}, {1, 5}, {2, 100}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        fixture_replies other = make(requests, REQUESTS, tokenizer, ways[w].threads, ways[w].leaves);
        fixture_replies_equal(&all, &other);
        fixture_replies_free(&other);
    }
    for (size_t i = 0; i < REQUESTS; i++) { /* each request alone */
        fixture_replies one = make(&requests[i], 1, tokenizer, i == 3 ? 3 : 1, 3);
        fixture_replies part = {.requests = &requests[i], .n = 1, .replies = all.replies + i * FORKS};
        fixture_replies_equal(&part, &one);
        fixture_replies_free(&one);
        const kept_reply *r = &all.replies[i * FORKS];
        bool same = r[0].n_ids == r[1].n_ids && !memcmp(r[0].ids, r[1].ids, r[0].n_ids * sizeof *r->ids);
        assert_int_equal(same, requests[i].sampling.temperature == 0);
        for (size_t j = 0; j < FORKS; j++)
            assert_string_equal(r[j].text, r[j].streamed);
    }
    fixture_replies_free(&all);
    free(ids);
    cso_tokenizer_free(tokenizer);
}

/* What the model says of each token, from a pass over all of them; and a reply goes on as it would have. */
static void logps_and_going_on(void **state) {
    (void)state;
    enum { CUT = 9 };
    cso_tokenizer *tokenizer = open_tokenizer();
    int32_t *ids = prompt_ids(PROMPT, 8);
    decode_fixture f = decode_fixture_open(model, 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    for (int hot = 0; hot < 2; hot++) {
        cso_request request = {.prompt = ids,
                               .n_prompt = PROMPT,
                               .sampling = {.temperature = hot, .top_k = 50},
                               .max_tokens = TOKENS,
                               .n_top = 3,
                               .prefix = "Well, "};
        fixture_replies one = make(&request, 1, tokenizer, 1, 4);
        const kept_reply *r = one.replies;
        assert_true(r->n_forced > 0 && r->n_ids == r->n_forced + TOKENS);
        assert_memory_equal(r->text, "Well, ", 6);
        int32_t all[PROMPT + 2 * TOKENS];
        memcpy(all, ids, PROMPT * sizeof *all);
        memcpy(all + PROMPT, r->ids, r->n_ids * sizeof *all);
        float *logits = fixture_alone_all(&f, NULL, all, PROMPT + r->n_ids);
        for (size_t i = 0; i < r->n_ids; i++) {
            const float *row = logits + (PROMPT + i - 1) * f.vocab;
            assert_true(r->logps[i] == cso_logits_logp(decoder, row, r->ids[i])); /* the same bits */
            assert_true(r->top[3 * i].logp >= r->logps[i]);
            if (!hot && i >= r->n_forced) {
                assert_int_equal(r->top[3 * i].id, r->ids[i]);
                assert_true(r->top[3 * i].logp == r->logps[i]);
            }
        }
        request.prefix = NULL;
        request.n_prompt = PROMPT + r->n_forced + CUT;
        request.prompt = all;
        request.max_tokens = TOKENS - CUT;
        fixture_replies rest = make(&request, 1, tokenizer, 1, 4);
        assert_int_equal(rest.replies->n_ids, TOKENS - CUT);
        assert_memory_equal(rest.replies->ids, r->ids + r->n_forced + CUT, (TOKENS - CUT) * sizeof *all);
        fixture_replies_free(&rest);
        fixture_replies_free(&one);
        free(logits);
    }
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
    free(ids);
    cso_tokenizer_free(tokenizer);
}

/* The prompt of n replies is computed once, also for those that begin late. */
static void forks_of_one_prompt(void **state) {
    (void)state;
    enum { N = 10, LONG = 200 };
    int32_t *ids = prompt_ids(LONG, 4);
    const cso_request request = {
        .prompt = ids, .n_prompt = LONG, .sampling = {.temperature = 1}, .n = N, .max_tokens = TOKENS, .sequence = 5};
    for (size_t leaves = 1; leaves <= 16; leaves += 5) {
        decode_fixture f = decode_fixture_open(model, 1);
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        cso_error error = {0};
        fixture_replies list = {.requests = &request, .n = 1};
        golden_ok(fixture_generate(&list, decoder, (cso_generate_options){.leaves = leaves}, &error), &error);
        cso_decode_counts counts = cso_decoder_counts(decoder);
        assert_true(counts.computed <= LONG + N * (TOKENS - 1));
        assert_true(counts.computed > LONG + TOKENS);
        fixture_replies_free(&list);
        cso_decoder_free(decoder);
        decode_fixture_close(&f);
    }
    free(ids);
}

/* Every part of a reply's text as the stop text. */
static void every_stop_text(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer();
    int32_t *ids = prompt_ids(PROMPT, 8);
    cso_request request = {.prompt = ids, .n_prompt = PROMPT, .sampling = {.temperature = 0.8, .seed = 2}, .max_tokens = TOKENS};
    fixture_replies whole = make(&request, 1, tokenizer, 1, 1);
    const char *text = whole.replies->text;
    size_t size = whole.replies->size;
    decode_fixture f = decode_fixture_open(model, 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    assert_true(size > 40);
    for (size_t length = 1; length < 12; length += 2)
        for (size_t begin = 0; begin + length <= size; begin += 3) {
            if ((text[begin] & 0xC0) == 0x80 || (text[begin + length] & 0xC0) == 0x80)
                continue; /* within a character */
            char stop[16] = {0};
            const char *stops[2] = {"no such text", stop};
            memcpy(stop, text + begin, length);
            request.stop_texts = stops;
            request.n_stop_texts = 2;
            cso_error error = {0};
            fixture_replies list = {.requests = &request, .n = 1};
            golden_ok(fixture_generate(&list, decoder, (cso_generate_options){.tokenizer = tokenizer}, &error), &error);
            const kept_reply *r = list.replies;
            assert_int_equal(r->size, strstr(text, stop) - text);
            assert_memory_equal(r->text, text, r->size);
            assert_string_equal(r->streamed, r->text);
            assert_int_equal(r->finish, CSO_FINISH_STOP);
            assert_true(r->n_ids <= whole.replies->n_ids);
            fixture_replies_free(&list);
        }
    fixture_replies_free(&whole);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
    free(ids);
    cso_tokenizer_free(tokenizer);
}

static void ending_early(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer();
    int32_t *ids = prompt_ids(PROMPT + 1, 8);
    const cso_logit_bias bias = {17, 3};
    cso_request requests[REQUESTS];
    decode_fixture f = decode_fixture_open(model, 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_error error = {0};
    set_requests(requests, ids, &bias);
    for (size_t after = 1; after < REQUESTS * FORKS; after += 4) {
        fixture_replies list = {.requests = requests, .n = REQUESTS, .stop_after = after};
        assert_int_equal(fixture_generate(&list, decoder, (cso_generate_options){.tokenizer = tokenizer, .leaves = 5}, &error),
                         CSO_STOPPED);
        assert_int_equal(list.total, after);
        fixture_replies_free(&list);
    }
    for (size_t at = 1; at < 5; at++) { /* within the prefix, and behind it */
        fixture_replies list = {.requests = requests, .n = REQUESTS, .cancel_reply = 7 * FORKS + 1, .cancel_at = at};
        golden_ok(fixture_generate(&list, decoder, (cso_generate_options){.tokenizer = tokenizer}, &error), &error);
        const kept_reply *r = &list.replies[7 * FORKS + 1];
        assert_int_equal(r->finish, CSO_FINISH_CANCELLED);
        assert_int_equal(r->n_ids, at);
        assert_true(r->n_forced <= at);
        assert_string_equal(r->text, r->streamed);
        assert_int_equal(r[1].finish, CSO_FINISH_LENGTH);
        fixture_replies_free(&list);
    }
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
    free(ids);
    cso_tokenizer_free(tokenizer);
}

static void wrong_requests(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer();
    decode_fixture f = decode_fixture_open(model, 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    const int32_t id = 5;
    const char *const empty = "";
    const cso_request good = {.name = "a.jsonl:3", .prompt = &id, .n_prompt = 1, .max_tokens = 4};
    cso_request wrong[6] = {good, good, good, good, good, good};
    wrong[0].n_prompt = 0;
    wrong[1].sampling.top_p = 7;
    wrong[2].stop_texts = &empty;
    wrong[2].n_stop_texts = 1;
    wrong[3].n = 1 << 16;
    wrong[4].sequence = UINT64_C(1) << 40;
    wrong[5].prefix = "a";
    for (size_t i = 0; i < 6; i++) {
        const cso_request both[2] = {good, wrong[i]};
        fixture_replies list = {.requests = both, .n = 2};
        cso_error error = {0};
        const cso_generate_options options = {.tokenizer = i < 5 ? tokenizer : NULL};
        assert_int_equal(fixture_generate(&list, decoder, options, &error), CSO_ERR_USAGE);
        assert_memory_equal(error.message, "a.jsonl:3: ", 11);
        fixture_replies_free(&list);
    }
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
    cso_tokenizer_free(tokenizer);
}

/* Each allocation fails in turn: an error, and the same replies as ever without one. */
static void memory_fails(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer();
    const int32_t ids[6] = {5, 6, 7, 8, 9, 10};
    const char *const stops[1] = {"zzzz"};
    cso_request requests[2];
    for (size_t i = 0; i < 2; i++)
        requests[i] = (cso_request){.prompt = ids,
                                    .n_prompt = 4 + i,
                                    .sampling = {.temperature = 1},
                                    .n = 3,
                                    .max_tokens = 3,
                                    .prefix = "Yes",
                                    .stop_texts = stops,
                                    .n_stop_texts = 1,
                                    .n_top = 2};
    fixture_replies whole = make(requests, 2, tokenizer, 1, 4);
    decode_fixture f = decode_fixture_open(model, 1);
    bool failed = true;
    size_t at = 1, errors = 0;
    for (; failed; at++) {
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        cso_error error = {0};
        fixture_replies list = {.requests = requests, .n = 2};
        fault_memory_begin(at, false);
        cso_status status = fixture_generate(&list, decoder, (cso_generate_options){.tokenizer = tokenizer, .leaves = 4}, &error);
        failed = fault_memory_end();
        if (status == CSO_OK) /* encoding a text does without some of its memory */
            fixture_replies_equal(&whole, &list);
        else
            assert_int_equal(status, CSO_ERR_SYSTEM);
        assert_true(failed || status == CSO_OK);
        errors += status != CSO_OK;
        fixture_replies_free(&list);
        cso_decoder_free(decoder);
    }
    assert_true(errors > 50 && at - errors < 6);
    fixture_replies_free(&whole);
    decode_fixture_close(&f);
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(alone_and_among_others),
                                       cmocka_unit_test(logps_and_going_on),
                                       cmocka_unit_test(forks_of_one_prompt),
                                       cmocka_unit_test(every_stop_text),
                                       cmocka_unit_test(ending_early),
                                       cmocka_unit_test(wrong_requests),
                                       cmocka_unit_test(memory_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
