/* text_vocab.h - the tokens of a vocabulary: their strings, the bytes they stand for, and a hash from string to id. */
#ifndef CSO_TEXT_VOCAB_H
#define CSO_TEXT_VOCAB_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CSO_MAX_TOKENS = 1 << 22,     /* sixteen times the largest vocabulary of the known families */
    CSO_MAX_TOKEN_SIZE = 1 << 16, /* bytes of one token */
};

typedef enum cso_token_kind {
    CSO_TOKEN_NONE,    /* no token has this id */
    CSO_TOKEN_NORMAL,  /* made by merges */
    CSO_TOKEN_UNKNOWN, /* stands for characters without a token */
    CSO_TOKEN_CONTROL, /* special: never made from text unless special tokens are asked for */
    CSO_TOKEN_USER,    /* an added token that is not special */
    CSO_TOKEN_BYTE,    /* <0xNN> of a SentencePiece vocabulary */
    CSO_TOKEN_UNUSED   /* padding of the embedding, [PADn] */
} cso_token_kind;

typedef struct cso_token {
    uint32_t text, text_size;   /* in vocab->pool: the token's string as the file has it */
    uint32_t bytes, bytes_size; /* in vocab->pool: what it decodes to */
    uint8_t kind;               /* cso_token_kind */
} cso_token;

typedef struct cso_vocab_slot {
    uint32_t number; /* id + 1, 0: empty */
    uint32_t tag;    /* upper half of the string's hash: distinguishes most strings without comparing them */
} cso_vocab_slot;

typedef struct cso_vocab {
    cso_token *tokens; /* (count), by id */
    size_t count, capacity;
    char *pool;
    size_t pool_size, pool_capacity;
    cso_vocab_slot *slots; /* open addressing */
    size_t mask;
} cso_vocab;

/* Some text, not zero-terminated. */
typedef struct cso_chars {
    const char *text;
    size_t size; /* bytes */
} cso_chars;

/* Sets token `id`; bytes.text NULL: they are the token's text. An id that is taken or too high, or a token that is too long, is
 * CSO_ERR_INPUT. */
cso_status cso_vocab_set(cso_vocab *vocab, size_t id, cso_chars text, cso_chars bytes, cso_token_kind kind, const char *place,
                         cso_error *err);
/* Makes the hash; a string that two tokens share is CSO_ERR_INPUT. May be called again after more tokens. */
cso_status cso_vocab_index(cso_vocab *vocab, const char *place, cso_error *err);
/* An empty vocabulary, or an id without a token below the highest one, is CSO_ERR_INPUT. */
cso_status cso_vocab_check(const cso_vocab *vocab, const char *place, cso_error *err);
void cso_vocab_free(cso_vocab *vocab);

int32_t cso_vocab_find(const cso_vocab *vocab, const char *text, size_t size); /* -1: none */

static inline const char *cso_vocab_text(const cso_vocab *vocab, int32_t id, size_t *size) {
    *size = vocab->tokens[id].text_size;
    return vocab->pool + vocab->tokens[id].text;
}

static inline const char *cso_vocab_bytes(const cso_vocab *vocab, int32_t id, size_t *size) {
    *size = vocab->tokens[id].bytes_size;
    return vocab->pool + vocab->tokens[id].bytes;
}

#endif
