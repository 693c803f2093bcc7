/* tokenizer_internal.h - the parts of a tokenizer. Its files depend one way: tokenizer.c builds one, normalize.c uses it;
 * the readers (tokenizer_json.c, tokenizer_spm.c, tokenizer_gguf.c) use both, and tokenizer_open.c the readers. */
#ifndef CSO_TOKENIZER_INTERNAL_H
#define CSO_TOKENIZER_INTERNAL_H

#include "bpe.h"
#include "pretokenize.h"
#include "special_tokens.h"
#include "spm.h"
#include "text_vocab.h"
#include "tokenizer.h"
#include "word_cache.h"

typedef enum cso_text_engine {
    CSO_ENGINE_BYTES,      /* BPE over bytes, after a pre-tokenizer */
    CSO_ENGINE_CHARACTERS, /* BPE over characters with byte fallback, spaces written as U+2581: Gemma's tokenizer.json */
    CSO_ENGINE_SPM         /* libsentencepiece */
} cso_text_engine;

struct cso_tokenizer {
    const char *kind; /* static */
    cso_text_engine engine;
    cso_vocab vocab;
    cso_merges merges;
    int32_t byte_ids[256]; /* the token of a byte, -1: none */
    bool ignore_merges;    /* a word that is a token becomes that token, without merges */
    bool nfc;
    int32_t unknown; /* for characters without a token; -1: they are omitted */
    bool fuse_unknown;
    cso_pretokenizer *pretokenizer;
    cso_spm *spm;
    cso_word_cache *words;  /* of libsentencepiece */
    cso_special_set pieces; /* its user-defined pieces */
    float *scores;          /* (vocab.count); NULL if words must not bypass the library (spm_long.h) */
    bool joins[256];       /* Gemma: a byte after which a space may still belong to the same token (see cso_tokenizer_find_joins) */
    cso_special_set added; /* found in the text before normalization */
    cso_special_set added_normalized; /* found after normalization */
    int32_t bos, eos;
    bool adds_bos;
    char *chat_template; /* NULL: none */
};

#define CSO_METASPACE "\xE2\x96\x81" /* U+2581, SentencePiece's space */

/* A tokenizer with nothing in it: ids -1, bytes without tokens. */
cso_status cso_tokenizer_new(cso_tokenizer **tokenizer, cso_error *err);

/* Adds a token to the vocabulary with the bytes it stands for under the tokenizer's engine. */
cso_status cso_tokenizer_add_token(cso_tokenizer *tokenizer, size_t id, const char *text, size_t size, cso_token_kind kind,
                                   const char *place, cso_error *err);
/* Fills byte_ids from the indexed vocabulary. Gemma needs all 256. */
cso_status cso_tokenizer_find_bytes(cso_tokenizer *tokenizer, const char *place, cso_error *err);
/* Gemma's text need not be encoded as a whole: between a character c and a space it can be cut, unless some token has c
 * before a space. Fills joins with the last bytes of those c (in Gemma's vocabulary, one: ">" of "> </"). */
void cso_tokenizer_find_joins(cso_tokenizer *tokenizer);
/* One merge by its two strings; rank is its index in the list. */
cso_status cso_tokenizer_add_merge(cso_tokenizer *tokenizer, cso_chars left, cso_chars right, size_t rank, const char *place,
                                   cso_error *err);
/* The same from "left right". */
cso_status cso_tokenizer_add_merge_line(cso_tokenizer *tokenizer, const char *line, size_t size, size_t rank, const char *place,
                                        cso_error *err);

/* The byte of a piece "<0xNN>", -1 for other pieces. */
int cso_gemma_byte(const char *text, size_t size);
/* Pieces that no text encodes to, by name: <pad>, <eos>, <bos>, <unk>. */
bool cso_gemma_is_control(const char *text, size_t size);
/* Finishes a Gemma tokenizer whose vocabulary is set (kinds too) with scores[vocab.count], which it takes over: checks it and
 * loads libsentencepiece. */
cso_status cso_tokenizer_load_spm(cso_tokenizer *tokenizer, float *scores, const char *place, cso_error *err);

/* *normal is NULL if the normalizer changes nothing, else the normalized text, which the caller frees. */
cso_status cso_tokenizer_normalize(const cso_tokenizer *tokenizer, const char *text, size_t size, char **normal,
                                   size_t *normal_size, cso_error *err);

/* *out (the caller frees, zero-terminated) is text[size] with each space written as U+2581. */
cso_status cso_escape_spaces(const char *text, size_t size, char **out, size_t *out_size, cso_error *err);

/* The three kinds of files. tokenizer is new and stays the caller's, also on failure. */
cso_status cso_tokenizer_read_json(cso_tokenizer *tokenizer, const char *text, size_t size, const char *place, cso_error *err);
cso_status cso_tokenizer_read_model(cso_tokenizer *tokenizer, const void *data, size_t size, const char *place, cso_error *err);
cso_status cso_tokenizer_read_gguf(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err);
/* tokenizer_config.json, special_tokens_map.json, chat_template.jinja in the file's folder: BOS, EOS, template. */
cso_status cso_tokenizer_read_config(cso_tokenizer *tokenizer, const char *path, cso_error *err);

#endif
