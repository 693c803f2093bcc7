/* test_choices.c - alternatives after a beginning: equal to each scored alone, with what they share computed once. */
#include "../faults.h"
#include "decode_fixture.h"

#include "decode/choices.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPT = 70, CHOICES = 9 };

/* Choices that share beginnings, are beginnings of others, and one twice. */
static const int32_t texts[CHOICES][4] = {{9, 4, 7, 2}, {9, 4, 7, 3}, {9, 4},         {5},   {9, 4, 7, 2},
                                          {200, 1, 1},  {9},          {200, 2, 1, 8}, {9, 5}};
static const size_t counts[CHOICES] = {4, 4, 2, 1, 4, 3, 1, 4, 2};

static void set_choices(cso_choice choices[CHOICES]) {
    for (size_t i = 0; i < CHOICES; i++)
        choices[i] = (cso_choice){.ids = texts[i], .count = counts[i]};
}

/* Each from a pass over all its tokens, to the bit; probabilities from the definition. */
static void check(const decode_fixture *f, const cso_adapter *adapter, const int32_t *prompt, size_t n_prompt,
                  const cso_choice choices[CHOICES]) {
    cso_decoder *decoder = fixture_decoder(f, 0, 0);
    double sum = 0, total = 0;
    for (size_t i = 0; i < CHOICES; i++) {
        int32_t all[PROMPT + 4];
        double logp = 0;
        memcpy(all, prompt, n_prompt * sizeof *all);
        memcpy(all + n_prompt, texts[i], counts[i] * sizeof *all);
        float *logits = fixture_alone_all(f, adapter, all, n_prompt + counts[i]);
        for (size_t j = 0; j < counts[i]; j++)
            logp += cso_logits_logp(decoder, logits + (n_prompt + j - 1) * f->vocab, texts[i][j]);
        assert_true(choices[i].logp == logp);
        sum += exp(logp);
        free(logits);
    }
    for (size_t i = 0; i < CHOICES; i++) {
        assert_true(fabs(choices[i].probability - exp(choices[i].logp) / sum) <= 1e-12);
        total += choices[i].probability;
    }
    assert_true(fabs(total - 1) <= 1e-12);
    cso_decoder_free(decoder);
}

static void each_alone(void **state) {
    (void)state;
    for (size_t m = 0; fixture_models[m]; m++) {
        decode_fixture f = decode_fixture_open(fixture_models[m], 1);
        int32_t *ids = fixture_ids(&f, PROMPT, 6);
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        cso_session *session = fixture_session(decoder, f.adapters[1]);
        cso_choice choices[3][CHOICES];
        cso_error error = {0};
        fixture_feed(session, ids, 50, 1);
        for (int i = 0; i < 3; i++)
            set_choices(choices[i]);
        const cso_choice_set sets[3] = {
            {.prompt = ids, .n_prompt = PROMPT, .choices = choices[0], .n = CHOICES},
            {.session = session, .choices = choices[1], .n = CHOICES},
            {.session = session, .prompt = ids + 50, .n_prompt = PROMPT - 50, .choices = choices[2], .n = CHOICES}};
        golden_ok(cso_choices_score(decoder, sets, 3, &error), &error);
        check(&f, NULL, ids, PROMPT, choices[0]);
        check(&f, f.adapters[1], ids, 50, choices[1]);
        check(&f, f.adapters[1], ids, PROMPT, choices[2]);
        assert_int_equal(cso_session_length(session), 50);
        cso_session_drop(session);
        for (int a = 0; a < FIXTURE_ADAPTERS; a++)
            cso_decoder_forget(decoder, f.adapters[a]);
        assert_int_equal(cso_decoder_counts(decoder).bytes, 0);
        free(ids);
        cso_decoder_free(decoder);
        decode_fixture_close(&f);
    }
}

/* Keys and values: the prompt, what all choices begin with, and then each branch's tokens but for the last. */
static void computed_once(void **state) {
    (void)state;
    static const int32_t names[4][5] = {{3, 9, 20, 1, 7}, {3, 9, 21, 7}, {3, 9, 22, 7}, {3, 9, 20, 7}};
    static const size_t sizes[4] = {5, 4, 4, 4};
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    int32_t *ids = fixture_ids(&f, PROMPT, 6);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_choice choices[4];
    cso_error error = {0};
    for (size_t i = 0; i < 4; i++)
        choices[i] = (cso_choice){.ids = names[i], .count = sizes[i]};
    const cso_choice_set set = {.prompt = ids, .n_prompt = PROMPT, .choices = choices, .n = 4};
    golden_ok(cso_choices_score(decoder, &set, 1, &error), &error);
    /* 3 9; 20 1, 21, 22; the fourth goes on from the first's 20 */
    assert_int_equal(cso_decoder_counts(decoder).computed, PROMPT + 2 + 2 + 1 + 1);
    free(ids);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
}

static void errors(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    const int32_t good = 5, bad = (int32_t)f.vocab;
    cso_choice choices[2] = {{.ids = &good, .count = 1}, {.ids = &good}};
    cso_error error = {0};
    cso_choice_set set = {.prompt = &good, .n_prompt = 1, .choices = choices, .n = 2};
    assert_int_equal(cso_choices_score(decoder, &set, 1, &error), CSO_ERR_USAGE);
    assert_string_equal(error.message, "choice 2 has no tokens");
    choices[1] = (cso_choice){.ids = &bad, .count = 1};
    assert_int_equal(cso_choices_score(decoder, &set, 1, &error), CSO_ERR_INPUT);
    set.n = 1;
    set.n_prompt = 0;
    assert_int_equal(cso_choices_score(decoder, &set, 1, &error), CSO_ERR_USAGE);
    set.n_prompt = 1;
    golden_ok(cso_choices_score(decoder, &set, 1, &error), &error);
    assert_true(choices[0].probability == 1);
    golden_ok(cso_choices_score(decoder, NULL, 0, &error), &error);
    cso_decoder_free(decoder);
    decode_fixture_close(&f);
}

static void memory_fails(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    const int32_t ids[4] = {1, 2, 3, 4};
    bool failed = true;
    size_t at = 1;
    for (; failed; at++) {
        cso_decoder *decoder = fixture_decoder(&f, 0, 0);
        cso_choice choices[CHOICES];
        cso_error error = {0};
        set_choices(choices);
        const cso_choice_set set = {.prompt = ids, .n_prompt = 4, .choices = choices, .n = CHOICES};
        fault_memory_begin(at, false);
        cso_status status = cso_choices_score(decoder, &set, 1, &error);
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        if (!failed)
            check(&f, NULL, ids, 4, choices);
        cso_decoder_free(decoder);
    }
    assert_true(at > 15);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_alone), cmocka_unit_test(computed_once), cmocka_unit_test(errors),
                                       cmocka_unit_test(memory_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
