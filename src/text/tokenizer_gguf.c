/* tokenizer_gguf.c - reading the tokenizer in a GGUF file's metadata (tokenizer.ggml.*, as llama.cpp's converter writes it). */
#include "base/memory.h"
#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* Values of tokenizer.ggml.token_type. */
enum { GGUF_NORMAL = 1, GGUF_UNKNOWN, GGUF_CONTROL, GGUF_USER, GGUF_UNUSED, GGUF_BYTE };

/* tokenizer.ggml.pre and its meaning. NFC is not in the metadata: the kind implies it. */
static const struct {
    const char *pre, *kind;
    bool ignore_merges, nfc, adds_bos;
} kinds[] = {
    {"llama-bpe", "llama-bpe", true, false, true}, {"llama3", "llama-bpe", true, false, true},
    {"llama-v3", "llama-bpe", true, false, true},  {"qwen2", "qwen2", false, true, false},
    {"smollm", "smollm", false, false, false},
};

static cso_status get_array(const cso_gguf *gguf, const char *key, const char *place, size_t count, const cso_gguf_value **array,
                            cso_error *err) {
    *array = cso_gguf_find(gguf, key);
    if (*array && (*array)->type != CSO_GGUF_ARRAY)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s must be an array", place, key);
    if (*array && count != SIZE_MAX && (*array)->count != count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s has %zu items (expected %zu, one for each token)", place, key, (*array)->count,
                        count);
    return CSO_OK;
}

static bool holds_integers(const cso_gguf_value *array) {
    return array->item != CSO_GGUF_STRING && array->item != CSO_GGUF_ARRAY && array->item != CSO_GGUF_FLOAT32 &&
           array->item != CSO_GGUF_FLOAT64 && array->item != CSO_GGUF_BOOL;
}

/* A token id under a key that may be missing. */
static cso_status get_id(const cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *key, const char *place, int32_t *id,
                         cso_error *err) {
    size_t number;
    bool found;
    CSO_TRY(cso_gguf_get_size(gguf, key, &number, &found, err));
    if (found && number >= tokenizer->vocab.count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is %zu, but there are %zu tokens", place, key, number, tokenizer->vocab.count);
    if (found)
        *id = (int32_t)number;
    return CSO_OK;
}

/* The kind of a token by its GGUF type. Gemma: the converter marks more as control than SentencePiece's model does, and writes the
 * spaces of user-defined pieces as spaces; both are reverted. */
static cso_token_kind kind_of(const cso_tokenizer *tokenizer, int64_t type, const char *text, size_t size) {
    bool gemma = tokenizer->engine == CSO_ENGINE_SPM;
    if (gemma && type != GGUF_BYTE && cso_gemma_is_control(text, size))
        return !memcmp(text, "<unk>", 5) ? CSO_TOKEN_UNKNOWN : CSO_TOKEN_CONTROL;
    switch (type) {
    case GGUF_NORMAL:
        return CSO_TOKEN_NORMAL;
    case GGUF_UNKNOWN:
        return gemma ? CSO_TOKEN_USER : CSO_TOKEN_CONTROL;
    case GGUF_CONTROL:
        return gemma ? CSO_TOKEN_USER : CSO_TOKEN_CONTROL;
    case GGUF_USER:
        return CSO_TOKEN_USER;
    case GGUF_BYTE:
        return gemma && cso_gemma_byte(text, size) >= 0 ? CSO_TOKEN_BYTE : CSO_TOKEN_NONE;
    case GGUF_UNUSED:
        return CSO_TOKEN_UNUSED;
    default:
        return CSO_TOKEN_NONE;
    }
}

static cso_status add_escaped(cso_tokenizer *tokenizer, size_t id, const char *text, size_t size, cso_token_kind kind,
                              const char *place, cso_error *err) {
    char *escaped = NULL;
    CSO_TRY(cso_escape_spaces(text, size, &escaped, &size, err));
    cso_status status = cso_tokenizer_add_token(tokenizer, id, escaped, size, kind, place, err);
    free(escaped);
    return status;
}

static cso_status read_tokens(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    const cso_gguf_value *tokens, *types;
    CSO_TRY(get_array(gguf, "tokenizer.ggml.tokens", place, SIZE_MAX, &tokens, err));
    if (!tokens || tokens->item != CSO_GGUF_STRING || !tokens->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.tokens is missing, empty or holds no strings", place);
    CSO_TRY(get_array(gguf, "tokenizer.ggml.token_type", place, tokens->count, &types, err));
    if (types && !holds_integers(types))
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.token_type holds no integers", place);
    bool gemma = tokenizer->engine == CSO_ENGINE_SPM;
    size_t cursor = 0, size;
    const char *text;
    for (size_t id = 0; id < tokens->count; id++) {
        cso_gguf_next_string(tokens, &cursor, &text, &size);
        int64_t type = types ? cso_gguf_array_int(types, id) : GGUF_NORMAL;
        cso_token_kind kind = kind_of(tokenizer, type, text, size);
        if (kind == CSO_TOKEN_NONE)
            return cso_fail(err, CSO_ERR_INPUT, "%s: token %zu, \"%.*s\", has the invalid type %lld", place, id,
                            (int)(size < 64 ? size : 64), text, (long long)type);
        if (gemma && kind == CSO_TOKEN_USER && size <= CSO_MAX_TOKEN_SIZE && memchr(text, ' ', size))
            CSO_TRY(add_escaped(tokenizer, id, text, size, kind, place, err));
        else
            CSO_TRY(cso_tokenizer_add_token(tokenizer, id, text, size, kind, place, err));
    }
    return cso_vocab_index(&tokenizer->vocab, place, err);
}

static cso_status add_specials(cso_tokenizer *tokenizer, cso_error *err) {
    for (size_t id = 0; id < tokenizer->vocab.count; id++) {
        cso_token_kind kind = tokenizer->vocab.tokens[id].kind;
        size_t size;
        const char *text = cso_vocab_text(&tokenizer->vocab, (int32_t)id, &size);
        if (kind == CSO_TOKEN_CONTROL || kind == CSO_TOKEN_USER)
            CSO_TRY(cso_special_add(&tokenizer->added, text, size, &(cso_special){.id = (int32_t)id, .control = true}, err));
    }
    return cso_special_link(&tokenizer->added, err);
}

static cso_status read_merges(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    const cso_gguf_value *merges;
    CSO_TRY(get_array(gguf, "tokenizer.ggml.merges", place, SIZE_MAX, &merges, err));
    if (!merges || merges->item != CSO_GGUF_STRING)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.merges is missing or holds no strings", place);
    if (merges->count >= UINT32_MAX)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.merges has %zu items, too many", place, merges->count);
    CSO_TRY(cso_merges_create(&tokenizer->merges, merges->count, err));
    size_t cursor = 0, size;
    const char *line;
    for (size_t rank = 0; rank < merges->count; rank++) {
        cso_gguf_next_string(merges, &cursor, &line, &size);
        CSO_TRY(cso_tokenizer_add_merge_line(tokenizer, line, size, rank, place, err));
    }
    return CSO_OK;
}

static cso_status read_bpe(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    const char *pre = "";
    size_t size = 0, known = sizeof kinds / sizeof *kinds, i = 0;
    CSO_TRY(cso_gguf_get_string(gguf, "tokenizer.ggml.pre", &pre, &size, NULL, err));
    while (i < known && !(strlen(kinds[i].pre) == size && !memcmp(kinds[i].pre, pre, size)))
        i++;
    if (i == known)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: tokenizer.ggml.pre \"%.*s\" is not supported (expected llama-bpe, qwen2 or smollm)", place,
                        (int)(size < 64 ? size : 64), pre);
    tokenizer->engine = CSO_ENGINE_BYTES;
    tokenizer->kind = kinds[i].kind;
    tokenizer->ignore_merges = kinds[i].ignore_merges;
    tokenizer->nfc = kinds[i].nfc;
    tokenizer->adds_bos = kinds[i].adds_bos;
    CSO_TRY(read_tokens(tokenizer, gguf, place, err));
    CSO_TRY(cso_tokenizer_find_bytes(tokenizer, place, err));
    CSO_TRY(add_specials(tokenizer, err));
    CSO_TRY(read_merges(tokenizer, gguf, place, err));
    return cso_pretokenizer_create(&tokenizer->pretokenizer, tokenizer->kind, err);
}

static cso_status read_gemma(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    const cso_gguf_value *scores;
    bool prefix = true, found;
    CSO_TRY(cso_gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", &prefix, &found, err));
    if (!found || prefix) /* Llama-2's: the default if the key is missing */
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: SentencePiece with a space before the text is not supported (expected Gemma's, with "
                        "tokenizer.ggml.add_space_prefix false)",
                        place);
    tokenizer->engine = CSO_ENGINE_SPM;
    tokenizer->kind = "gemma";
    tokenizer->adds_bos = true;
    CSO_TRY(read_tokens(tokenizer, gguf, place, err));
    CSO_TRY(get_array(gguf, "tokenizer.ggml.scores", place, tokenizer->vocab.count, &scores, err));
    if (!scores || (scores->item != CSO_GGUF_FLOAT32 && scores->item != CSO_GGUF_FLOAT64))
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.scores is missing or holds no floats", place);
    float *copy = cso_calloc(scores->count, sizeof *copy);
    if (!copy)
        return cso_fail_memory(err, "the vocabulary's scores");
    for (size_t i = 0; i < scores->count; i++)
        copy[i] = (float)cso_gguf_array_float(scores, i);
    return cso_tokenizer_load_spm(tokenizer, copy, place, err);
}

cso_status cso_tokenizer_read_gguf(cso_tokenizer *tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    const char *model, *text = NULL;
    size_t size, text_size = 0;
    bool found;
    CSO_TRY(cso_gguf_get_string(gguf, "tokenizer.ggml.model", &model, &size, NULL, err));
    if (size == 4 && !memcmp(model, "gpt2", 4))
        CSO_TRY(read_bpe(tokenizer, gguf, place, err));
    else if (size == 5 && !memcmp(model, "llama", 5))
        CSO_TRY(read_gemma(tokenizer, gguf, place, err));
    else
        return cso_fail(err, CSO_ERR_INPUT, "%s: tokenizer.ggml.model \"%.*s\" is not supported (expected gpt2 or llama)", place,
                        (int)(size < 64 ? size : 64), model);
    CSO_TRY(get_id(tokenizer, gguf, "tokenizer.ggml.bos_token_id", place, &tokenizer->bos, err));
    CSO_TRY(get_id(tokenizer, gguf, "tokenizer.ggml.eos_token_id", place, &tokenizer->eos, err));
    bool adds_bos = false;
    CSO_TRY(cso_gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &adds_bos, &found, err));
    if (found)
        tokenizer->adds_bos = adds_bos;
    CSO_TRY(cso_gguf_get_string(gguf, "tokenizer.chat_template", &text, &text_size, &found, err));
    if (found && !(tokenizer->chat_template = cso_strndup(text, text_size)))
        return cso_fail_memory(err, "the chat template");
    return CSO_OK;
}
