/* test_tokenizer_bad_model.c - SentencePiece models that must be refused. */
#include "../golden.h"
#include "base/memory.h"
#include "text/spm_proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A SentencePiece model of the pieces given, with <unk>, control pieces and bytes before them. */
static void make_model(cso_vocab *vocab, float **scores) {
    static const char *const special[] = {"<pad>", "<eos>", "<bos>", "<unk>"};
    char name[8];
    for (size_t id = 0; id < 4; id++)
        golden_ok(cso_vocab_set(vocab, id, (cso_chars){special[id], 5}, (cso_chars){0},
                                id == 3 ? CSO_TOKEN_UNKNOWN : CSO_TOKEN_CONTROL, "", NULL),
                  NULL);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(name, sizeof name, "<0x%02X>", byte);
        golden_ok(cso_vocab_set(vocab, 4 + byte, (cso_chars){name, 6}, (cso_chars){0}, CSO_TOKEN_BYTE, "", NULL), NULL);
    }
    *scores = cso_calloc(300, sizeof **scores);
    assert_non_null(*scores);
}

static void add_piece(cso_vocab *vocab, const char *text, size_t size, cso_token_kind kind) {
    golden_ok(cso_vocab_set(vocab, vocab->count, (cso_chars){text, size}, (cso_chars){0}, kind, "", NULL), NULL);
}

static void expect_model(const cso_vocab *vocab, const float *scores, const char *message) {
    unsigned char *proto = NULL;
    size_t size = 0;
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    golden_ok(cso_spm_proto_write(vocab, scores, &proto, &size, &err), &err);
    cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.model", proto, size, &err);
    if (message && (status != CSO_ERR_INPUT || !strstr(err.message, message)))
        fail_msg("status %d, \"%s\" (expected \"%s\")", (int)status, err.message, message);
    else if (!message)
        golden_ok(status, &err);
    if (!message) /* and no prefix of it is a model */
        for (size_t cut = 0; cut < size; cut += 13) {
            cso_tokenizer *none = NULL;
            assert_int_equal(cso_tokenizer_from_memory(&none, "t.model", proto, cut, NULL), CSO_ERR_INPUT);
        }
    cso_tokenizer_free(tokenizer);
    free(proto);
}

static void test_model_pieces(void **state) {
    (void)state;
    static const struct {
        size_t size;
        cso_token_kind kind;
        const char *text, *message;
    } cases[] = {
        {1, CSO_TOKEN_NORMAL, "a", NULL},
        {0, CSO_TOKEN_NORMAL, "", "piece 260 has 0 bytes"},
        {100000, CSO_TOKEN_USER, NULL, "has 100000 bytes (at most 65536)"}, /* the library's trie would recurse as deep */
        {2000, CSO_TOKEN_USER, NULL, "piece 260 has 2000 bytes (expected 1 to 1024)"},
        {1024, CSO_TOKEN_USER, NULL, NULL},
        {2, CSO_TOKEN_NORMAL, "\xC3(", "piece 260 is not UTF-8"},
        {2, CSO_TOKEN_NORMAL, "a\0", "piece 260 is not UTF-8 or has a zero character"},
        {5, CSO_TOKEN_NORMAL, "<unk>", "the tokens 3 and 260 are both \"<unk>\""},
        {2, CSO_TOKEN_UNKNOWN, "uu", "2 pieces are of the unknown type"},
        {2, CSO_TOKEN_BYTE, "xx", "piece 260 has the invalid type 6"},
    };
    char *long_text = malloc(100000);
    assert_non_null(long_text);
    memset(long_text, 'x', 100000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_vocab vocab = {0};
        float *scores;
        make_model(&vocab, &scores);
        if (cases[i].size > CSO_MAX_TOKEN_SIZE) { /* our own vocabulary refuses it at once */
            cso_error err;
            assert_int_equal(
                cso_vocab_set(&vocab, 260, (cso_chars){long_text, cases[i].size}, (cso_chars){0}, cases[i].kind, "p", &err),
                CSO_ERR_INPUT);
            assert_non_null(strstr(err.message, cases[i].message));
        } else {
            add_piece(&vocab, cases[i].text ? cases[i].text : long_text, cases[i].size, cases[i].kind);
            expect_model(&vocab, scores, cases[i].message);
        }
        cso_vocab_free(&vocab);
        free(scores);
    }
    cso_vocab vocab = {0};
    float *scores;
    make_model(&vocab, &scores);
    add_piece(&vocab, "a", 1, CSO_TOKEN_NORMAL);
    scores[260] = (float)(0.0 / (vocab.count - 261.0)); /* NaN */
    expect_model(&vocab, scores, "the score of piece 260 is not finite");
    cso_vocab_free(&vocab);
    free(scores);
    free(long_text);
}

static void test_model_settings(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *message;
        size_t size;
    } cases[] = {
        {"", "the vocabulary is empty", 0},
        {"\x0A\x03\x0A\x01\x61", "trainer_spec.model_type BPE", 5},
        {"\x0A\x03\x0A\x01\x61\x12\x02\x18\x02", "trainer_spec.byte_fallback true", 9},
        {"\x0A\x03\x0A\x01\x61\x12\x05\x18\x02\x98\x02\x01", "normalizer_spec.add_dummy_prefix false", 12},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "malformed at byte 11", 11}, /* a length of 2^64 - 1 */
        {"\x0A\x03\x0A\x09\x61", "piece 0 is malformed", 5},
        {"IQ== 0\n", "malformed", 7}, /* tiktoken's ranks, also called tokenizer.model */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        assert_int_equal(cso_tokenizer_from_memory(&tokenizer, "t.model", cases[i].bytes, cases[i].size, &err), CSO_ERR_INPUT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" (expected \"%s\")", err.message, cases[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_pieces),
        cmocka_unit_test(test_model_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
