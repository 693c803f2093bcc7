/* tokenizer_spm.c - Gemma's tokenizer through libsentencepiece, from tokenizer.model or from a vocabulary that GGUF gave. */
#include "base/utf8.h"
#include "spm_proto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* libsentencepiece builds a trie of user-defined pieces by recursion, one call for each byte of a piece: long ones overflow the
 * stack. Gemma's longest piece has 93 bytes. */
enum { MAX_PIECE = 1024 };

/* Refuses pieces that would crash the library or that it would refuse without naming them. */
static cso_status check_pieces(const cso_vocab *vocab, const float *scores, const char *place, cso_error *err) {
    size_t unknown = 0;
    for (size_t id = 0; id < vocab->count; id++) {
        size_t size;
        const char *text = cso_vocab_text(vocab, (int32_t)id, &size);
        if (!size || size > MAX_PIECE)
            return cso_fail(err, CSO_ERR_INPUT, "%s: piece %zu has %zu bytes (expected 1 to %d)", place, id, size, MAX_PIECE);
        if (!cso_utf8_check(text, size, NULL) || memchr(text, 0, size))
            return cso_fail(err, CSO_ERR_INPUT, "%s: piece %zu is not UTF-8 or has a zero character", place, id);
        if (!isfinite(scores[id]))
            return cso_fail(err, CSO_ERR_INPUT, "%s: the score of piece %zu is not finite", place, id);
        unknown += vocab->tokens[id].kind == CSO_TOKEN_UNKNOWN;
    }
    if (unknown != 1)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %zu pieces are of the unknown type (expected 1, <unk>)", place, unknown);
    return CSO_OK;
}

/* Control pieces are cut out before the library, which never produces them; spm_long.c needs the user-defined ones. */
static cso_status sort_pieces(cso_tokenizer *tokenizer, cso_error *err) {
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        size_t size;
        const char *text = cso_vocab_text(&tokenizer->vocab, (int32_t)id, &size);
        cso_token_kind kind = tokenizer->vocab.tokens[id].kind;
        if (kind == CSO_TOKEN_CONTROL || kind == CSO_TOKEN_UNKNOWN)
            CSO_TRY(cso_special_add(&tokenizer->added, text, size, &(cso_special){.id = (int32_t)id, .control = true}, err));
        else if (kind == CSO_TOKEN_USER)
            CSO_TRY(cso_special_add(&tokenizer->pieces, text, size, &(cso_special){.id = (int32_t)id}, err));
    }
    CSO_TRY(cso_special_link(&tokenizer->added, err));
    return cso_special_link(&tokenizer->pieces, err);
}

static bool has_unused(const cso_vocab *vocab) {
    for (size_t id = 0; id < vocab->count; id++)
        if (vocab->tokens[id].kind == CSO_TOKEN_UNUSED)
            return true;
    return false;
}

cso_status cso_tokenizer_load_spm(cso_tokenizer *tokenizer, float *scores, const char *place, cso_error *err) {
    tokenizer->scores = scores;
    CSO_TRY(check_pieces(&tokenizer->vocab, scores, place, err));
    CSO_TRY(cso_tokenizer_find_bytes(tokenizer, place, err));
    CSO_TRY(sort_pieces(tokenizer, err));
    cso_tokenizer_find_joins(tokenizer);
    tokenizer->words = cso_word_cache_create();
    if (!tokenizer->words)
        return cso_fail_memory(err, "the tokenizer");
    unsigned char *proto = NULL;
    size_t size = 0;
    CSO_TRY(cso_spm_proto_write(&tokenizer->vocab, scores, &proto, &size, err));
    cso_status status = cso_spm_create(&tokenizer->spm, proto, size, place, err);
    free(proto);
    if (status == CSO_OK && has_unused(&tokenizer->vocab)) { /* the library splits such pieces again, spm_long.c does not */
        free(tokenizer->scores);
        tokenizer->scores = NULL;
    }
    return status;
}

cso_status cso_tokenizer_read_model(cso_tokenizer *tokenizer, const void *data, size_t size, const char *place, cso_error *err) {
    float *scores = NULL;
    tokenizer->engine = CSO_ENGINE_SPM;
    tokenizer->kind = "gemma";
    tokenizer->adds_bos = true;
    CSO_TRY(cso_spm_proto_read(tokenizer, data, size, place, &scores, err));
    CSO_TRY(cso_tokenizer_load_spm(tokenizer, scores, place, err));
    tokenizer->bos = cso_tokenizer_find(tokenizer, "<bos>");
    tokenizer->eos = cso_tokenizer_find(tokenizer, "<eos>");
    return CSO_OK;
}
