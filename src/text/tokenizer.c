/* tokenizer.c - building a tokenizer token by token and merge by merge, and what one can ask it. tokenizer_open.c opens one
 * from its files; encode.c encodes, decode.c decodes. */
#include "base/digest.h"
#include "base/memory.h"
#include "byte_alphabet.h"
#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

cso_status cso_tokenizer_new(cso_tokenizer **tokenizer, cso_error *err) {
    cso_tokenizer *made = cso_calloc(1, sizeof *made);
    if (!made)
        return cso_fail_memory(err, "the tokenizer");
    made->kind = "";
    made->bos = made->eos = made->unknown = -1;
    for (int i = 0; i < 256; i++)
        made->byte_ids[i] = -1;
    *tokenizer = made;
    return CSO_OK;
}

void cso_tokenizer_free(cso_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    cso_vocab_free(&tokenizer->vocab);
    cso_merges_free(&tokenizer->merges);
    cso_pretokenizer_free(tokenizer->pretokenizer);
    cso_spm_free(tokenizer->spm);
    cso_word_cache_free(tokenizer->words);
    free(tokenizer->scores);
    cso_special_free(&tokenizer->pieces);
    cso_special_free(&tokenizer->added);
    cso_special_free(&tokenizer->added_normalized);
    free(tokenizer->chat_template);
    free(tokenizer);
}

bool cso_gemma_is_control(const char *text, size_t size) {
    static const char *const names[] = {"<pad>", "<eos>", "<bos>", "<unk>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == size && !memcmp(names[i], text, size))
            return true;
    return false;
}

int cso_gemma_byte(const char *text, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>' || !text[3] || !text[4])
        return -1;
    const char *high = strchr(digits, text[3]), *low = strchr(digits, text[4]);
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

cso_status cso_tokenizer_add_token(cso_tokenizer *tokenizer, size_t id, const char *text, size_t size, cso_token_kind kind,
                                   const char *place, cso_error *err) {
    char small[256], *bytes = size < sizeof small ? small : cso_malloc(size + 1);
    size_t used = 0;
    if (!bytes)
        return cso_fail_memory(err, "the vocabulary");
    if (tokenizer->engine == CSO_ENGINE_BYTES) {
        if (!cso_bytes_of_token(text, size, bytes, &used)) {
            memcpy(bytes, text, size);
            used = size;
        }
    } else if (kind == CSO_TOKEN_BYTE) {
        bytes[used++] = (char)cso_gemma_byte(text, size);
    } else { /* U+2581 is a space */
        for (size_t at = 0; at < size;)
            if (size - at >= 3 && !memcmp(text + at, CSO_METASPACE, 3)) {
                bytes[used++] = ' ';
                at += 3;
            } else {
                bytes[used++] = text[at++];
            }
    }
    cso_status status = cso_vocab_set(&tokenizer->vocab, id, (cso_chars){text, size}, (cso_chars){bytes, used}, kind, place, err);
    if (bytes != small)
        free(bytes);
    return status;
}

cso_status cso_tokenizer_find_bytes(cso_tokenizer *tokenizer, const char *place, cso_error *err) {
    bool gemma = tokenizer->engine != CSO_ENGINE_BYTES;
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        size_t size, length;
        const char *text = cso_vocab_text(&tokenizer->vocab, (int32_t)id, &size);
        cso_token_kind kind = tokenizer->vocab.tokens[id].kind;
        int byte = -1;
        if (gemma && kind == CSO_TOKEN_BYTE)
            byte = cso_gemma_byte(text, size);
        else if (!gemma && kind == CSO_TOKEN_NORMAL && size <= 2 && (byte = cso_byte_of_character(text, size, &length)) >= 0 &&
                 length != size)
            byte = -1;
        if (byte >= 0)
            tokenizer->byte_ids[byte] = (int32_t)id;
    }
    for (int byte = 0; gemma && byte < 256; byte++) /* byte-level vocabularies may lack bytes, as SmolLM2's does */
        if (tokenizer->byte_ids[byte] < 0)
            return cso_fail(err, CSO_ERR_INPUT, "%s: the vocabulary has no token <0x%02X> (byte fallback needs all 256)", place,
                            (unsigned)byte);
    return CSO_OK;
}

void cso_tokenizer_find_joins(cso_tokenizer *tokenizer) {
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        size_t size;
        const char *text = cso_vocab_bytes(&tokenizer->vocab, (int32_t)id, &size); /* spaces are spaces in these */
        for (size_t i = 1; i < size; i++)
            if (text[i] == ' ' && text[i - 1] != ' ')
                tokenizer->joins[(unsigned char)text[i - 1]] = true;
    }
}

static bool is_joined(const cso_vocab *vocab, size_t id, cso_chars left, cso_chars right) {
    if (id >= vocab->count || vocab->tokens[id].kind == CSO_TOKEN_NONE || vocab->tokens[id].kind == CSO_TOKEN_UNUSED)
        return false;
    size_t size;
    const char *text = cso_vocab_text(vocab, (int32_t)id, &size);
    return size == left.size + right.size && !memcmp(text, left.text, left.size) &&
           !memcmp(text + left.size, right.text, right.size);
}

/* *merged is the token whose string is both, -1: none. Most lists of merges are in the order of the tokens that they make: trying
 * the last token and the next saves half a million searches. */
static cso_status find_joined(const cso_tokenizer *tokenizer, cso_chars left, cso_chars right, int32_t *merged, cso_error *err) {
    for (int32_t next = 0; next < 2; next++)
        if (is_joined(&tokenizer->vocab, (size_t)(*merged = tokenizer->merges.last + next), left, right))
            return CSO_OK;
    char joined[512], *both = joined;
    if (left.size + right.size > sizeof joined && !(both = cso_malloc(left.size + right.size)))
        return cso_fail_memory(err, "the merges");
    memcpy(both, left.text, left.size);
    memcpy(both + left.size, right.text, right.size);
    *merged = cso_vocab_find(&tokenizer->vocab, both, left.size + right.size);
    if (both != joined)
        free(both);
    return CSO_OK;
}

/* Bytes of a token's text that fit in a message. */
static int shown(cso_chars chars) {
    return chars.size < 64 ? (int)chars.size : 64;
}

cso_status cso_tokenizer_add_merge(cso_tokenizer *tokenizer, cso_chars left, cso_chars right, size_t rank, const char *place,
                                   cso_error *err) {
    int32_t a = cso_vocab_find(&tokenizer->vocab, left.text, left.size), merged = -1;
    int32_t b = cso_vocab_find(&tokenizer->vocab, right.text, right.size);
    if (a < 0 || b < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: merge %zu names \"%.*s\", which is not a token", place, rank,
                        shown(a < 0 ? left : right), (a < 0 ? left : right).text);
    CSO_TRY(find_joined(tokenizer, left, right, &merged, err));
    if (merged < 0 && !tokenizer->ignore_merges)
        return cso_fail(err, CSO_ERR_INPUT, "%s: merge %zu, \"%.*s\" and \"%.*s\", makes no token", place, rank, shown(left),
                        left.text, shown(right), right.text);
    if (merged >= 0)
        cso_merges_add(&tokenizer->merges, a, b, (uint32_t)rank, merged);
    return CSO_OK;
}

cso_status cso_tokenizer_add_merge_line(cso_tokenizer *tokenizer, const char *line, size_t size, size_t rank, const char *place,
                                        cso_error *err) {
    const char *space = size ? memchr(line, ' ', size) : NULL;
    if (!space || memchr(space + 1, ' ', size - (size_t)(space + 1 - line)))
        return cso_fail(err, CSO_ERR_INPUT, "%s: merge %zu is \"%.*s\" (expected two tokens with one space between)", place, rank,
                        (int)(size < 64 ? size : 64), line);
    size_t left = (size_t)(space - line);
    return cso_tokenizer_add_merge(tokenizer, (cso_chars){line, left}, (cso_chars){space + 1, size - left - 1}, rank, place, err);
}

size_t cso_tokenizer_vocab(const cso_tokenizer *tokenizer) {
    return tokenizer->vocab.count;
}

int32_t cso_tokenizer_find(const cso_tokenizer *tokenizer, const char *piece) {
    return cso_vocab_find(&tokenizer->vocab, piece, strlen(piece));
}

bool cso_tokenizer_is_special(const cso_tokenizer *tokenizer, int32_t id) {
    return id >= 0 && (size_t)id < tokenizer->vocab.count && tokenizer->vocab.tokens[id].kind == CSO_TOKEN_CONTROL;
}

bool cso_tokenizer_is_text(const cso_tokenizer *tokenizer, int32_t id) {
    if (id < 0 || (size_t)id >= tokenizer->vocab.count)
        return false;
    size_t size;
    const char *text = cso_vocab_text(&tokenizer->vocab, id, &size);
    cso_token_kind kind = tokenizer->vocab.tokens[id].kind;
    if (kind != CSO_TOKEN_USER)
        return kind == CSO_TOKEN_NORMAL || kind == CSO_TOKEN_BYTE;
    if (size >= 4 && !memcmp(text, "<|", 2) && !memcmp(text + size - 2, "|>", 2))
        return false;
    return !(size == 15 && !memcmp(text, "<start_of_turn>", 15)) && !(size == 13 && !memcmp(text, "<end_of_turn>", 13));
}

int32_t cso_tokenizer_bos(const cso_tokenizer *tokenizer) {
    return tokenizer->bos;
}

int32_t cso_tokenizer_eos(const cso_tokenizer *tokenizer) {
    return tokenizer->eos;
}

bool cso_tokenizer_adds_bos(const cso_tokenizer *tokenizer) {
    return tokenizer->adds_bos;
}

const char *cso_tokenizer_kind(const cso_tokenizer *tokenizer) {
    return tokenizer->kind;
}

const char *cso_tokenizer_chat_template(const cso_tokenizer *tokenizer) {
    return tokenizer->chat_template;
}

void cso_tokenizer_fingerprint(const cso_tokenizer *tokenizer, char hex[33]) {
    /* Ids, lengths and strings in order; of the merges the sum of their hashes, which does not depend on the table's layout. */
    cso_digest digest;
    uint64_t merges = 0;
    cso_digest_begin(&digest);
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        const cso_token *token = &tokenizer->vocab.tokens[id];
        cso_digest_add(&digest, &token->text_size, sizeof token->text_size);
        cso_digest_add(&digest, tokenizer->vocab.pool + token->text, token->text_size);
    }
    for (size_t i = 0; tokenizer->merges.slots && i <= tokenizer->merges.mask; i++) {
        const cso_merge *merge = &tokenizer->merges.slots[i];
        uint64_t words[3] = {merge->pair, merge->rank, (uint64_t)merge->merged};
        if (merge->rank != UINT32_MAX)
            merges += XXH3_64bits(words, sizeof words);
    }
    cso_digest_add(&digest, &merges, sizeof merges);
    cso_digest_add(&digest, tokenizer->kind, strlen(tokenizer->kind));
    cso_digest_hex(&digest, hex);
}

cso_status cso_ids_add(cso_ids *ids, const int32_t *more, size_t count, cso_error *err) {
    if (!cso_grow(&ids->ids, &ids->capacity, ids->count + count, sizeof *ids->ids))
        return cso_fail_memory(err, "token ids");
    if (count)
        memcpy(ids->ids + ids->count, more, count * sizeof *more);
    ids->count += count;
    return CSO_OK;
}
