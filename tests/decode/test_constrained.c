/* test_constrained.c - replies under a constraint: they satisfy it, greedy or sampled, with a prefix, alone and among others. */
#include "decode_fixture.h"
#include "generate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REQUESTS = 5, FORKS = 4, TEXTS = 4 };
static const char *const texts[TEXTS] = {"[Question]", "[Suggestions]", "[Self-disclosure]", "[Others]"};

static bool is_text(const char *text) {
    bool found = false;
    for (size_t i = 0; i < TEXTS; i++)
        found |= !strcmp(text, texts[i]);
    return found;
}

static void one_of_some_texts(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 2);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_tokenizer *tokenizer;
    cso_token_trie *trie;
    cso_constraint *constraint;
    cso_error error = {0};
    int32_t *ids = fixture_ids(&f, 20, 8);
    golden_ok(cso_tokenizer_open(&tokenizer, golden_path("models/llama-tiny"), &error), &error);
    const int32_t stop = cso_tokenizer_eos(tokenizer);
    golden_ok(cso_token_trie_create(&trie, tokenizer, &stop, 1, &error), &error);
    golden_ok(cso_constraint_choice(&constraint, trie, texts, TEXTS, NULL, &error), &error);
    static const char *const prefixes[REQUESTS] = {NULL, NULL, "[S", "[Question]", NULL};
    cso_request requests[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i] = (cso_request){.prompt = ids,
                                    .n_prompt = 12 + i,
                                    .sampling = {.temperature = i ? 1.5 : 0, .top_p = i == 4 ? 0.9 : 0},
                                    .n = FORKS,
                                    .max_tokens = 64,
                                    .stops = &stop,
                                    .n_stops = 1,
                                    .prefix = prefixes[i],
                                    .constraint = constraint,
                                    .n_top = 1};
    fixture_replies one = {.requests = requests, .n = REQUESTS}, all = one;
    golden_ok(fixture_generate(&one, decoder, (cso_generate_options){.tokenizer = tokenizer, .leaves = 1}, &error), &error);
    golden_ok(fixture_generate(&all, decoder, (cso_generate_options){.tokenizer = tokenizer, .leaves = 7}, &error), &error);
    fixture_replies_equal(&one, &all);
    for (size_t i = 0; i < REQUESTS * FORKS; i++) {
        const kept_reply *r = &one.replies[i];
        assert_true(is_text(r->text));
        assert_string_equal(r->text, r->streamed);
        assert_int_equal(r->finish, CSO_FINISH_STOP);
        assert_true(i / FORKS != 2 || r->text[1] == 'S');
        assert_true(i / FORKS != 3 || r->n_ids == r->n_forced);
    }
    fixture_replies_free(&one);
    fixture_replies_free(&all);
    requests[1].prefix = "[Sad";
    all = (fixture_replies){.requests = requests, .n = 2};
    assert_int_equal(fixture_generate(&all, decoder, (cso_generate_options){.tokenizer = tokenizer}, &error), CSO_ERR_USAGE);
    fixture_replies_free(&all);
    cso_constraint_free(constraint);
    cso_token_trie_free(trie);
    cso_tokenizer_free(tokenizer);
    free(ids);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_of_some_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
