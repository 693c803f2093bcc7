/* tokenizer.h - text to token ids and back, identical to Hugging Face's tokenizers.
 *
 * Kinds: byte-level BPE (llama-bpe, smollm, qwen2 from tokenizer.json or GGUF metadata, gpt2 from tokenizer.json alone) and
 * SentencePiece BPE with byte fallback (gemma; from tokenizer.model or GGUF metadata through libsentencepiece, from tokenizer.json
 * by our own BPE).
 *
 * A tokenizer does not change after opening: any number of threads may use it.
 */
#ifndef CSO_TOKENIZER_H
#define CSO_TOKENIZER_H

#include "base/status.h"
#include "io/gguf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_tokenizer cso_tokenizer;

/* A growing list of ids; zero-initialise, free(ids). */
typedef struct cso_ids {
    int32_t *ids;
    size_t count, capacity;
} cso_ids;
cso_status cso_ids_add(cso_ids *ids, const int32_t *more, size_t count, cso_error *err);

/* path: a folder (tokenizer.json, else tokenizer.model, else its only .gguf), or one such file. tokenizer_config.json,
 * special_tokens_map.json and chat_template.jinja beside a tokenizer.json or tokenizer.model are read too. */
cso_status cso_tokenizer_open(cso_tokenizer **tokenizer, const char *path, cso_error *err);
cso_status cso_tokenizer_from_gguf(cso_tokenizer **tokenizer, const cso_gguf *gguf, const char *place, cso_error *err);
/* The same from `size` bytes of a file of this name, which decides the format: *.json, *.model, else GGUF. */
cso_status cso_tokenizer_from_memory(cso_tokenizer **tokenizer, const char *name, const void *data, size_t size, cso_error *err);
void cso_tokenizer_free(cso_tokenizer *tokenizer);

/* Appends the ids of size bytes of UTF-8 (NUL allowed inside; ill-formed bytes are read as U+FFFD). No special tokens are
 * added. With parse_special, the strings of added/special tokens become those tokens, as Hugging Face does by default;
 * without, they are text like any other (what users typed cannot inject control tokens). Gemma is the exception, as it is in
 * libsentencepiece: <start_of_turn> and <end_of_turn> are ordinary pieces of its vocabulary, and only <pad>, <eos>, <bos>
 * and <unk> are kept out of plain text; a chat's contents are safe all the same (chat.h). On failure nothing is appended. */
cso_status cso_tokenizer_encode(const cso_tokenizer *tokenizer, const char *text, size_t size, bool parse_special, cso_ids *ids,
                                cso_error *err);

/* The bytes the ids stand for, special tokens spelled out; may end or begin inside a UTF-8 character. *bytes is the caller's to
 * free, zero-terminated. An id out of range is CSO_ERR_INPUT. */
cso_status cso_tokenizer_decode_bytes(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **bytes, size_t *size,
                                      cso_error *err);
/* The same as valid UTF-8: every maximal ill-formed part becomes one U+FFFD. */
cso_status cso_tokenizer_decode(const cso_tokenizer *tokenizer, const int32_t *ids, size_t count, char **text, size_t *size,
                                cso_error *err);

/* Decoding one id at a time, as a model gives them: zero-initialise; feed gives the text that this id completes, in UTF-8, and
 * keeps an unfinished character; flush gives the rest. Their texts joined are what cso_tokenizer_decode gives for all the ids. */
typedef struct cso_token_stream {
    char pending[4];
    size_t pending_size;
    char *text; /* of the last feed or flush: `size` bytes and a zero; free with cso_token_stream_free */
    size_t size, capacity;
} cso_token_stream;
cso_status cso_token_stream_feed(cso_token_stream *stream, const cso_tokenizer *tokenizer, int32_t id, cso_error *err);
cso_status cso_token_stream_flush(cso_token_stream *stream, cso_error *err);
void cso_token_stream_free(cso_token_stream *stream);

size_t cso_tokenizer_vocab(const cso_tokenizer *tokenizer);                    /* highest id + 1 */
int32_t cso_tokenizer_find(const cso_tokenizer *tokenizer, const char *piece); /* id of the token with this string, -1: none */
bool cso_tokenizer_is_special(const cso_tokenizer *tokenizer, int32_t id);     /* a control token (<|eot_id|>, <bos>, ...) */
/* Whether text is written with this token: it is neither special, unknown nor unused, nor a mark of chats that its file has as an
 * ordinary token (<|im_start|> and the like, Gemma's turn markers). */
bool cso_tokenizer_is_text(const cso_tokenizer *tokenizer, int32_t id);
int32_t cso_tokenizer_bos(const cso_tokenizer *tokenizer);      /* -1: none */
int32_t cso_tokenizer_eos(const cso_tokenizer *tokenizer);      /* -1: none */
bool cso_tokenizer_adds_bos(const cso_tokenizer *tokenizer);    /* whether its post-processor puts BOS first */
const char *cso_tokenizer_kind(const cso_tokenizer *tokenizer); /* "llama-bpe", "qwen2", "smollm", "gpt2", "gemma" */
/* The chat template text that came with the files, NULL if none. */
const char *cso_tokenizer_chat_template(const cso_tokenizer *tokenizer);
/* For caches: XXH3-128 over all tokens and merges. */
void cso_tokenizer_fingerprint(const cso_tokenizer *tokenizer, char hex[33]);

#endif
