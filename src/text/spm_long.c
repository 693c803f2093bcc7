/* spm_long.c - see spm_long.h. */
#include "spm_long.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* A symbol that is not a piece is NO_PIECE, a user-defined piece FROZEN - id: neither can be confused with an id. */
enum { NO_PIECE = -1, FROZEN = -2 };

typedef struct word {
    const cso_tokenizer *tokenizer;
    const char *text;    /* with U+2581 for spaces */
    const size_t *begin; /* (symbols + 1) where each symbol began initially */
} word;

/* Higher scores have lower ranks: a float's bits, made monotonic in its value, then inverted. */
static uint32_t rank_of(float score) {
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~bits;
}

static int32_t find_piece(const cso_tokenizer *tokenizer, const char *text, size_t size) {
    int32_t id = cso_vocab_find(&tokenizer->vocab, text, size);
    if (id < 0)
        return NO_PIECE;
    cso_token_kind kind = tokenizer->vocab.tokens[id].kind;
    return kind == CSO_TOKEN_NORMAL || kind == CSO_TOKEN_USER ? id : NO_PIECE;
}

static bool find_pair(const void *context, const cso_bpe_neighbours *pair, uint32_t *rank, int32_t *merged) {
    const word *w = context;
    if (pair->left_id <= FROZEN || pair->right_id <= FROZEN)
        return false;
    size_t begin = w->begin[pair->left];
    *merged = find_piece(w->tokenizer, w->text + begin, w->begin[pair->after] - begin);
    if (*merged < 0)
        return false;
    *rank = rank_of(w->tokenizer->scores[*merged]);
    return true;
}

/* Cuts the text into its first symbols; begin has room for size + 1 items, symbols for size. */
static size_t cut(const cso_tokenizer *tokenizer, const char *text, size_t size, const cso_special_hits *pieces, size_t *begin,
                  int32_t *symbols) {
    size_t count = 0, length, next = 0;
    for (size_t at = 0; at < size; at += length) {
        begin[count] = at;
        while (next < pieces->count && pieces->items[next].begin < at)
            next++;
        if (next < pieces->count && pieces->items[next].begin == at) {
            length = pieces->items[next].size;
            symbols[count++] = FROZEN - tokenizer->pieces.items[pieces->items[next].item].id;
        } else {
            length = cso_utf8_length(text + at, size - at);
            symbols[count++] = find_piece(tokenizer, text + at, length);
        }
    }
    begin[count] = size;
    return count;
}

/* The ids of the remaining symbols. A symbol that is not a piece is still a single character; its position follows from the
 * sizes of the others. */
static cso_status add_symbols(const cso_tokenizer *tokenizer, const char *text, const int32_t *symbols, size_t count, cso_ids *ids,
                              cso_error *err) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t id = symbols[i] <= FROZEN ? FROZEN - symbols[i] : symbols[i];
        if (id >= 0) {
            CSO_TRY(cso_ids_add(ids, &id, 1, err));
            at += tokenizer->vocab.tokens[id].text_size;
            continue;
        }
        size_t length = cso_utf8_length(text + at, 4);
        for (size_t end = at + length; at < end; at++)
            CSO_TRY(cso_ids_add(ids, &tokenizer->byte_ids[(unsigned char)text[at]], 1, err));
    }
    return CSO_OK;
}

cso_status cso_spm_encode_long(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_ids *ids,
                               cso_bpe_scratch *scratch, cso_error *err) {
    char *escaped = NULL;
    CSO_TRY(cso_escape_spaces(text, size, &escaped, &size, err));
    size_t *begin = cso_calloc(size + 1, sizeof *begin);
    int32_t *symbols = cso_calloc(size, sizeof *symbols);
    cso_special_hits pieces = {0};
    cso_status status = cso_special_find(&tokenizer->pieces, escaped, size, false, &pieces, err);
    if (status == CSO_OK && begin && symbols) {
        size_t count = cut(tokenizer, escaped, size, &pieces, begin, symbols);
        word w = {tokenizer, escaped, begin};
        if (cso_bpe_merge_by(find_pair, &w, symbols, &count, scratch))
            status = add_symbols(tokenizer, escaped, symbols, count, ids, err);
        else
            status = cso_fail_memory(err, "merging");
    } else if (status == CSO_OK) {
        status = cso_fail_memory(err, "merging");
    }
    cso_special_hits_free(&pieces);
    free(begin);
    free(symbols);
    free(escaped);
    return status;
}
