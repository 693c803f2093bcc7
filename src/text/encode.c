/* encode.c - text to ids: special strings are cut out, the rest is normalized, cut into words and merged. */
#include "base/memory.h"
#include "base/utf8.h"
#include "spm_long.h"
#include "tokenizer_internal.h"
#include "utf8_repair.h"

#include <stdlib.h>
#include <string.h>

/* The working memory of one call, so that the tokenizer itself stays constant. */
typedef struct encoder {
    const cso_tokenizer *tokenizer;
    cso_ids *ids;
    bool plain; /* special strings are text */
    cso_pretokenize_scratch words;
    cso_bpe_scratch merging;
    int32_t *symbols;
    size_t symbol_capacity;
    char *spelled; /* a word in the vocabulary's byte alphabet */
    size_t spelled_capacity;
} encoder;

static cso_status merge_and_add(encoder *e, size_t count, cso_error *err) {
    if (!cso_bpe_merge(&e->tokenizer->merges, e->symbols, &count, &e->merging))
        return cso_fail_memory(err, "merging");
    return cso_ids_add(e->ids, e->symbols, count, err);
}

/* The token that is the whole word, -1: none. Its string is spelled in the byte alphabet, two bytes for most that are not
 * ASCII. */
static int32_t whole_word(encoder *e, const char *word, size_t size) {
    if (size > CSO_MAX_TOKEN_SIZE / 2 || !cso_grow(&e->spelled, &e->spelled_capacity, 2 * size, 1))
        return -1;
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int32_t id = e->tokenizer->byte_ids[(unsigned char)word[i]];
        size_t length;
        if (id < 0)
            return -1;
        const char *text = cso_vocab_text(&e->tokenizer->vocab, id, &length);
        memcpy(e->spelled + used, text, length); /* 1 or 2: a character of the alphabet */
        used += length;
    }
    int32_t id = cso_vocab_find(&e->tokenizer->vocab, e->spelled, used);
    return id >= 0 && e->tokenizer->vocab.tokens[id].kind == CSO_TOKEN_NORMAL ? id : -1;
}

/* Adds the unknown token for a character without a token; a run of them gives one token if they are fused. */
static void add_unknown(const cso_tokenizer *tokenizer, int32_t *symbols, size_t *count, bool *after_unknown) {
    if (tokenizer->unknown < 0)
        return;
    if (!*after_unknown || !tokenizer->fuse_unknown)
        symbols[(*count)++] = tokenizer->unknown;
    *after_unknown = true;
}

static cso_status encode_word(void *context, const char *word, size_t size, cso_error *err) {
    encoder *e = context;
    const cso_tokenizer *tokenizer = e->tokenizer;
    if (tokenizer->ignore_merges) {
        int32_t id = whole_word(e, word, size);
        if (id >= 0)
            return cso_ids_add(e->ids, &id, 1, err);
    }
    if (!cso_grow(&e->symbols, &e->symbol_capacity, size, sizeof *e->symbols))
        return cso_fail_memory(err, "merging");
    size_t count = 0;
    bool after_unknown = false;
    for (size_t i = 0; i < size; i++) {
        int32_t id = tokenizer->byte_ids[(unsigned char)word[i]];
        if (id < 0) {
            add_unknown(tokenizer, e->symbols, &count, &after_unknown);
            continue;
        }
        e->symbols[count++] = id;
        after_unknown = false;
    }
    return merge_and_add(e, count, err);
}

/* Gemma's tokenizer.json: a character without a token becomes its bytes' tokens. */
static cso_status encode_characters(encoder *e, const char *text, size_t size, cso_error *err) {
    const cso_tokenizer *tokenizer = e->tokenizer;
    if (!cso_grow(&e->symbols, &e->symbol_capacity, size, sizeof *e->symbols))
        return cso_fail_memory(err, "merging");
    size_t count = 0, length;
    for (size_t at = 0; at < size; at += length) {
        length = cso_utf8_length(text + at, size - at);
        int32_t id = cso_vocab_find(&tokenizer->vocab, text + at, length);
        if (id >= 0) {
            e->symbols[count++] = id;
            continue;
        }
        for (size_t i = 0; i < length; i++) /* all 256 exist: cso_tokenizer_find_bytes */
            e->symbols[count++] = tokenizer->byte_ids[(unsigned char)text[at + i]];
    }
    return merge_and_add(e, count, err);
}

static cso_status encode_spm(encoder *e, const char *text, size_t size, cso_error *err) {
    int32_t known[CSO_CACHED_IDS], *ids = NULL;
    size_t count = 0;
    if (size > CSO_LONG_WORD && e->tokenizer->scores)
        return cso_spm_encode_long(e->tokenizer, text, size, e->ids, &e->merging, err);
    if (cso_word_cache_get(e->tokenizer->words, text, size, known, &count))
        return cso_ids_add(e->ids, known, count, err);
    CSO_TRY(cso_spm_encode(e->tokenizer->spm, text, size, &ids, &count, err));
    cso_word_cache_put(e->tokenizer->words, text, size, ids, count);
    cso_status status = cso_ids_add(e->ids, ids, count, err);
    free(ids);
    return status;
}

/* Bytes of the space at text[at], as itself or as U+2581; 0: there is none. */
static size_t space_at(const char *text, size_t size, size_t at) {
    return text[at] == ' ' ? 1 : size - at >= 3 && !memcmp(text + at, CSO_METASPACE, 3) ? 3 : 0;
}

/* Gemma's text, cut where no token can span the cut: before a space that follows another character (cso_tokenizer_find_joins). */
static cso_status encode_gemma(encoder *e, const char *text, size_t size, cso_error *err) {
    size_t begin = 0;
    bool after_space = true;
    for (size_t at = 0, length; at <= size; at += length ? length : 1) {
        length = at < size ? space_at(text, size, at) : 1;
        if (length && at > begin && (at == size || (!after_space && !e->tokenizer->joins[(unsigned char)text[at - 1]]))) {
            if (e->tokenizer->engine == CSO_ENGINE_SPM)
                CSO_TRY(encode_spm(e, text + begin, at - begin, err));
            else
                CSO_TRY(encode_characters(e, text + begin, at - begin, err));
            begin = at;
        }
        after_space = length > 0;
    }
    return CSO_OK;
}

static cso_status encode_piece(encoder *e, const char *text, size_t size, cso_error *err) {
    if (e->tokenizer->engine == CSO_ENGINE_BYTES)
        return cso_pretokenize(e->tokenizer->pretokenizer, text, size, &e->words, encode_word, e, err);
    return encode_gemma(e, text, size, err);
}

/* Cuts the strings of `set` out of the text and passes the text between them to `next`. */
static cso_status cut_specials(encoder *e, const cso_special_set *set, const char *text, size_t size,
                               cso_status (*next)(encoder *, const char *, size_t, cso_error *), cso_error *err) {
    cso_special_match match;
    cso_special_hits hits = {0};
    size_t taken = 0, from = 0;
    cso_status status = cso_special_find(set, text, size, e->plain, &hits, err);
    while (status == CSO_OK && cso_special_next(set, text, size, &hits, from, taken, &match)) {
        if (match.begin > taken)
            CSO_TRY_DONE(next(e, text + taken, match.begin - taken, err));
        CSO_TRY_DONE(cso_ids_add(e->ids, &match.id, 1, err));
        from = match.resume;
        taken = match.end;
    }
    if (status == CSO_OK && taken < size)
        status = next(e, text + taken, size - taken, err);
done:
    cso_special_hits_free(&hits);
    return status;
}

static cso_status encode_normalized(encoder *e, const char *text, size_t size, cso_error *err) {
    char *normal = NULL;
    size_t normal_size = 0;
    CSO_TRY(cso_tokenizer_normalize(e->tokenizer, text, size, &normal, &normal_size, err));
    cso_status status =
        cut_specials(e, &e->tokenizer->added_normalized, normal ? normal : text, normal ? normal_size : size, encode_piece, err);
    free(normal);
    return status;
}

cso_status cso_tokenizer_encode(const cso_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, cso_ids *ids,
                                cso_error *err) {
    encoder e = {.tokenizer = tokenizer, .ids = ids, .plain = !parse_special};
    size_t before = ids->count;
    char *repaired = NULL;
    if (!size)
        return CSO_OK;
    if (!cso_utf8_check(text, size, NULL)) {
        CSO_TRY(cso_utf8_repair(text, size, &repaired, &size, NULL, err));
        text = repaired;
    }
    cso_status status = cut_specials(&e, &tokenizer->added, text, size, encode_normalized, err);
    if (status != CSO_OK)
        ids->count = before;
    cso_pretokenize_scratch_free(&e.words);
    cso_bpe_scratch_free(&e.merging);
    free(e.symbols);
    free(e.spelled);
    free(repaired);
    return status;
}
