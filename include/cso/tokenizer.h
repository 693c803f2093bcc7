/* tokenizer.h - text to token ids and back, identical to Hugging Face's tokenizers.
 *
 * Kinds: byte-level BPE (llama-bpe, smollm, qwen2; from tokenizer.json or GGUF metadata) and SentencePiece BPE with byte fallback
 * (gemma; from tokenizer.model, tokenizer.json's twin tokenizer.model, or GGUF metadata).
 */
#ifndef CSO_TOKENIZER_H
#define CSO_TOKENIZER_H

#include "cso/gguf.h"
#include "cso/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_tokenizer cso_tokenizer;

/* A growing list of ids; zero-initialise, free(ids). */
typedef struct cso_ids {
    int32_t *ids;
    size_t count, capacity;
} cso_ids;

/* path: a folder (tokenizer.json, else tokenizer.model, else a .gguf), or one such file. */
cso_status cso_tokenizer_open(cso_tokenizer **tokenizer, const char *path, cso_error *err);
cso_status cso_tokenizer_from_gguf(cso_tokenizer **tokenizer, const cso_gguf *gguf, const char *place, cso_error *err);
void cso_tokenizer_free(cso_tokenizer *tokenizer);

/* Appends the ids of size bytes of UTF-8 (NUL allowed inside; ill-formed bytes are read as U+FFFD). No special tokens are added. With
 * parse_special, the strings of added/special tokens become those tokens, as Hugging Face does by default; without, they
 * are text like any other (what users typed cannot inject control tokens). */
cso_status cso_tokenizer_encode(const cso_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, cso_ids *ids,
                                cso_error *err);

/* The bytes the ids stand for, special tokens spelled out; may end or begin inside a UTF-8 character. *bytes is the caller's to
 * free, zero-terminated. An id out of range is CSO_ERR_INPUT. */
cso_status cso_tokenizer_decode_bytes(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **bytes, size_t *size,
                                      cso_error *err);
/* The same as valid UTF-8: every maximal ill-formed part becomes one U+FFFD. */
cso_status cso_tokenizer_decode(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **text, size_t *size,
                                cso_error *err);

size_t cso_tokenizer_vocab(const cso_tokenizer *tokenizer);                         /* highest id + 1 */
int32_t cso_tokenizer_find(const cso_tokenizer *tokenizer, const char *piece);      /* id of a token by its exact string, -1: none */
int32_t cso_tokenizer_bos(const cso_tokenizer *tokenizer);                          /* -1: none */
int32_t cso_tokenizer_eos(const cso_tokenizer *tokenizer);                          /* -1: none */
bool cso_tokenizer_adds_bos(const cso_tokenizer *tokenizer);                        /* whether its post-processor puts BOS first */
const char *cso_tokenizer_kind(const cso_tokenizer *tokenizer);                     /* "llama-bpe", "qwen2", "smollm", "gemma" */
/* The chat template text that came with the files, NULL if none. */
const char *cso_tokenizer_chat_template(const cso_tokenizer *tokenizer);
/* For caches: XXH3-128 over all tokens and merges. */
void cso_tokenizer_fingerprint(const cso_tokenizer *tokenizer, char hex[33]);

#endif
