/* tokenizer_spm.c - Gemma's tokenizer through libsentencepiece, from tokenizer.model or from a vocabulary that GGUF gave. */
#include "cso/file.h"
#include "cso/utf8.h"
#include "spm_proto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* libsentencepiece builds a trie of user-defined pieces by recursion, one call for each byte of a piece: long ones overflow the stack.
 * Gemma's longest piece has 93 bytes. */
enum { MAX_PIECE = 1024, MAX_MODEL_BYTES = 1 << 28 };

/* What the library would stumble over, or refuse without saying which piece it is. */
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

cso_status cso_tokenizer_load_spm(cso_tokenizer *tokenizer, const float *scores, const char *place, cso_error *err) {
    cso_vocab *vocab = &tokenizer->vocab;
    CSO_TRY(check_pieces(vocab, scores, place, err));
    CSO_TRY(cso_tokenizer_find_bytes(tokenizer, place, err));
    for (size_t id = 0; id < vocab->count; id++) {
        size_t size;
        const char *text = cso_vocab_text(vocab, (int32_t)id, &size);
        cso_token_kind kind = vocab->tokens[id].kind;
        /* User-defined pieces are found by the library itself; it never makes the others from text, so we cut them out. */
        if (kind == CSO_TOKEN_CONTROL || kind == CSO_TOKEN_UNKNOWN)
            CSO_TRY(cso_special_add(&tokenizer->added, text, size, &(cso_special){.id = (int32_t)id, .control = true}, err));
    }
    unsigned char *proto = NULL;
    size_t size = 0;
    CSO_TRY(cso_spm_proto_write(vocab, scores, &proto, &size, err));
    cso_status status = cso_spm_create(&tokenizer->spm, proto, size, place, err);
    free(proto);
    return status;
}

cso_status cso_tokenizer_read_model(cso_tokenizer *tokenizer, const char *path, cso_error *err) {
    char *data = NULL;
    float *scores = NULL;
    size_t size = 0;
    cso_status status;
    CSO_TRY(cso_read_file(path, MAX_MODEL_BYTES, &data, &size, err));
    tokenizer->engine = CSO_ENGINE_SPM;
    tokenizer->kind = "gemma";
    tokenizer->adds_bos = true;
    CSO_TRY_DONE(cso_spm_proto_read(tokenizer, data, size, path, &scores, err));
    CSO_TRY_DONE(cso_tokenizer_load_spm(tokenizer, scores, path, err));
    tokenizer->bos = cso_tokenizer_find(tokenizer, "<bos>");
    tokenizer->eos = cso_tokenizer_find(tokenizer, "<eos>");
done:
    free(scores);
    free(data);
    return status;
}
