/* random_tokenizer.h - the tokenizer of a random model: a copy of another's, or one token for each byte; internal to src/synth. */
#ifndef CSO_RANDOM_TOKENIZER_H
#define CSO_RANDOM_TOKENIZER_H

#include "io/gguf_write.h"
#include "random_model.h"

/* The built-in tokenizer of a family. Ids 0 to 255 or, for Gemma, after the special tokens, are the bytes. */
size_t cso_builtin_token_count(const char *family);
int32_t cso_builtin_bos(const char *family); /* -1: none */
int32_t cso_builtin_eos(const char *family);

/* Files in a Hugging Face folder, keys of a GGUF. vocab: rows of the model; ids past the tokens become [PAD<id>]. */
cso_status cso_builtin_write_files(const char *family, const char *folder, size_t vocab, cso_error *err);
cso_status cso_tokenizer_copy_files(const char *from, const char *folder, cso_error *err);
cso_status cso_builtin_write_keys(const char *family, cso_gguf_writer *writer, size_t vocab, cso_error *err);
cso_status cso_tokenizer_copy_keys(const char *from, cso_gguf_writer *writer, size_t vocab, cso_error *err);

#endif
