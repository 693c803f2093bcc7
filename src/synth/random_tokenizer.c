/* random_tokenizer.c - see random_tokenizer.h.
 *
 * The built-in tokenizers have no merges: a text is its bytes. Everything else (expressions, processors, special tokens, chat
 * template) is as in the family's real tokenizers, so that all code that reads a tokenizer runs as usual.
 *
 *   llama, qwen2   0..255 the bytes in the alphabet of byte-level BPE, then the special tokens
 *   gemma2         the special tokens, then <0x00>..<0xFF>, then U+2581, which stands for a space
 */
#include "random_tokenizer.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 256, MAX_TOKENIZER_FILE = 1 << 28 };
/* tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

typedef struct builtin {
    const char *family, *pre; /* tokenizer.ggml.pre */
    const char *const *specials;
    int special_count, bos, eos, padding, unknown; /* indexes in specials; -1: none */
    bool gemma, adds_bos;
    const char *pipeline; /* of tokenizer.json: normalizer, pre_tokenizer, decoder */
    const char *chat_template;
} builtin;

static const char *const LLAMA_SPECIALS[] = {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                                             "<|end_header_id|>", "<|eot_id|>",      "<|finetune_right_pad_id|>"};
static const char *const QWEN_SPECIALS[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
static const char *const GEMMA_SPECIALS[] = {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"};

#define BYTE_LEVEL_PIPELINE(normalizer, digits)                                                                                    \
    "  \"normalizer\": " normalizer ",\n"                                                                                          \
    "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n"                                                         \
    "    {\"type\": \"Split\", \"pattern\": {\"Regex\": "                                                                          \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits                                               \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, "                                    \
    "\"behavior\": \"Isolated\", \"invert\": false},\n"                                                                            \
    "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": false, \"use_regex\": false}]},\n"               \
    "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true},\n"

/* They render the same texts as chat.h's llama3, chatml and gemma2. */
static const builtin BUILTINS[] = {
    {
        .family = "llama",
        .pre = "llama-bpe",
        .specials = LLAMA_SPECIALS,
        .special_count = 6,
        .bos = 0,
        .eos = 4,
        .padding = 5,
        .unknown = -1,
        .adds_bos = true,
        .pipeline = BYTE_LEVEL_PIPELINE("null", "\\\\p{N}{1,3}"),
        .chat_template =
            "{% set own = messages[0]['role'] == 'system' %}"
            "{{ '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\\n\\n"
            "Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' }}"
            "{% if own %}{{ messages[0]['content'] | trim }}{% endif %}{{ '<|eot_id|>' }}"
            "{% for message in messages %}{% if not (own and loop.first) %}"
            "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | trim) + '<|eot_id|>' }}"
            "{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    },
    {
        .family = "qwen2",
        .pre = "qwen2",
        .specials = QWEN_SPECIALS,
        .special_count = 3,
        .bos = -1,
        .eos = 2,
        .padding = 0,
        .unknown = -1,
        .pipeline = BYTE_LEVEL_PIPELINE("{\"type\": \"NFC\"}", "\\\\p{N}"),
        .chat_template =
            "{% if messages[0]['role'] != 'system' %}"
            "{{ '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}{% "
            "endif %}"
            "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    },
    {
        .family = "gemma2",
        .pre = "default",
        .specials = GEMMA_SPECIALS,
        .special_count = 6,
        .bos = 2,
        .eos = 1,
        .padding = 0,
        .unknown = 3,
        .gemma = true,
        .adds_bos = true,
        .pipeline = "  \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"},\n"
                    "  \"pre_tokenizer\": null,\n"
                    "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [\n"
                    "    {\"type\": \"Replace\", \"pattern\": {\"String\": \"\xE2\x96\x81\"}, \"content\": \" \"},\n"
                    "    {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]},\n",
        .chat_template =
            "{{ '<bos>' }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
            "{% for message in messages %}{% if (loop.index0 % 2 == 0) != (message['role'] == 'user') %}"
            "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
            "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}"
            "{{ (message['content'] | trim) + '<end_of_turn>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    },
};

static const builtin *find(const char *family) {
    for (size_t i = 0; i + 1 < sizeof BUILTINS / sizeof *BUILTINS; i++)
        if (!strcmp(BUILTINS[i].family, family))
            return &BUILTINS[i];
    return &BUILTINS[2];
}

/* Id of the first special token, and of the first byte. */
static int first_special(const builtin *b) {
    return b->gemma ? 0 : BYTES;
}

static int first_byte(const builtin *b) {
    return b->gemma ? b->special_count : 0;
}

static size_t token_count(const builtin *b) {
    return (size_t)(BYTES + b->special_count + b->gemma);
}

size_t cso_builtin_token_count(const char *family) {
    return token_count(find(family));
}

size_t cso_random_model_tokens(const char *family) {
    return cso_builtin_token_count(family);
}

static int32_t special_id(const builtin *b, int place) {
    return place < 0 ? -1 : first_special(b) + place;
}

int32_t cso_builtin_bos(const char *family) {
    return special_id(find(family), find(family)->bos);
}

int32_t cso_builtin_eos(const char *family) {
    return special_id(find(family), find(family)->eos);
}

/* Byte-level BPE spells the bytes 33..126, 161..172 and 174..255 as the characters of these numbers and the others, in order,
 * as U+0100 and on. */
static void spell_byte(int byte, char out[4]) {
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    int code = byte;
    if (!printable)
        code = byte < 33 ? 256 + byte : byte < 161 ? 256 + 33 + byte - 127 : 256 + 67;
    if (code < 128)
        snprintf(out, 4, "%c", code);
    else
        snprintf(out, 4, "%c%c", 0xC0 | code >> 6, 0x80 | (code & 63));
}

/* The string of a token, and its type in GGUF. */
static int token_text(const builtin *b, size_t id, char out[64]) {
    int special = (int)id - first_special(b), byte = (int)id - first_byte(b);
    if (special >= 0 && special < b->special_count) {
        snprintf(out, 64, "%s", b->specials[special]);
        return special == b->unknown ? TYPE_UNKNOWN : TYPE_CONTROL;
    }
    if (byte >= 0 && byte < BYTES && b->gemma) {
        snprintf(out, 64, "<0x%02X>", (unsigned)byte);
        return TYPE_BYTE;
    }
    if (byte >= 0 && byte < BYTES) {
        spell_byte(byte, out);
        return TYPE_NORMAL;
    }
    if (id < token_count(b)) {
        snprintf(out, 64, "\xE2\x96\x81");
        return TYPE_NORMAL;
    }
    snprintf(out, 64, "[PAD%zu]", id);
    return TYPE_UNUSED;
}

static void add_quoted(cso_text *text, const char *value) {
    cso_text_json_string(text, value, strlen(value));
}

static void add_vocab(cso_text *text, const builtin *b, size_t vocab) {
    char token[64];
    const char *comma = "";
    for (size_t id = 0; id < vocab; id++) {
        int type = token_text(b, id, token);
        if (!b->gemma && type == TYPE_CONTROL)
            continue; /* byte-level tokenizers keep these in added_tokens alone */
        cso_text_format(text, "%s", comma);
        add_quoted(text, token);
        cso_text_format(text, ": %zu", id);
        comma = ", ";
    }
}

static void add_post_processor(cso_text *text, const builtin *b) {
    if (!b->adds_bos) {
        cso_text_format(text,
                        "  \"post_processor\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": false, "
                        "\"use_regex\": false},\n");
        return;
    }
    const char *bos = b->specials[b->bos];
    cso_text_format(
        text,
        "  \"post_processor\": {\"type\": \"TemplateProcessing\",\n"
        "    \"single\": [{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],\n"
        "    \"pair\": [{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, "
        "{\"SpecialToken\": {\"id\": \"%s\", \"type_id\": 1}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],\n"
        "    \"special_tokens\": {\"%s\": {\"id\": \"%s\", \"ids\": [%d], \"tokens\": [\"%s\"]}}},\n",
        bos, bos, bos, bos, bos, (int)special_id(b, b->bos), bos);
}

static void add_tokenizer_json(cso_text *text, const builtin *b, size_t vocab) {
    cso_text_format(text, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [");
    for (int i = 0; i < b->special_count; i++)
        cso_text_format(text,
                        "%s\n    {\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                        "\"normalized\": false, \"special\": true}",
                        i ? "," : "", first_special(b) + i, b->specials[i]);
    cso_text_format(text, "\n  ],\n%s", b->pipeline);
    add_post_processor(text, b);
    cso_text_format(
        text,
        "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": %s, \"continuing_subword_prefix\": null, "
        "\"end_of_word_suffix\": null, \"fuse_unk\": %s, \"byte_fallback\": %s, \"ignore_merges\": %s,\n    \"vocab\": {",
        b->gemma ? "\"<unk>\"" : "null", b->gemma ? "true" : "false", b->gemma ? "true" : "false",
        !b->gemma && b->adds_bos ? "true" : "false");
    add_vocab(text, b, vocab);
    cso_text_format(text, "},\n    \"merges\": []}\n}\n");
}

static void add_tokenizer_config(cso_text *text, const builtin *b) {
    static const char *const KEYS[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
    const int places[] = {b->bos, b->eos, b->padding, b->unknown};
    cso_text_format(text, "{\n");
    for (int i = 0; i < 4; i++) {
        cso_text_format(text, "  \"%s\": ", KEYS[i]);
        if (places[i] >= 0)
            add_quoted(text, b->specials[places[i]]);
        else
            cso_text_format(text, "null");
        cso_text_format(text, ",\n");
    }
    cso_text_format(text, "  \"clean_up_tokenization_spaces\": false,\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                          "  \"chat_template\": ");
    add_quoted(text, b->chat_template);
    cso_text_format(text, "\n}\n");
}

static cso_status write_text(cso_text *text, const char *folder, const char *name, cso_error *err) {
    char *path = cso_path_join(folder, name);
    cso_status status = path && !text->failed ? cso_save_text(path, text->data, text->size, err) : cso_fail_memory(err, name);
    free(path);
    free(text->data);
    *text = (cso_text){0};
    return status;
}

cso_status cso_builtin_write_files(const char *family, const char *folder, size_t vocab, cso_error *err) {
    cso_text text = {0};
    add_tokenizer_json(&text, find(family), vocab);
    CSO_TRY(write_text(&text, folder, "tokenizer.json", err));
    add_tokenizer_config(&text, find(family));
    return write_text(&text, folder, "tokenizer_config.json", err);
}

cso_status cso_builtin_write_keys(const char *family, cso_gguf_writer *writer, size_t vocab, cso_error *err) {
    const builtin *b = find(family);
    char(*texts)[64] = cso_calloc(vocab, sizeof *texts);
    const char **items = cso_calloc(vocab, sizeof *items);
    int32_t *types = cso_calloc(vocab, sizeof *types);
    float *scores = cso_calloc(vocab, sizeof *scores);
    cso_status status = CSO_OK;
    if (!texts || !items || !types || !scores) {
        status = cso_fail_memory(err, "the vocabulary");
        goto done;
    }
    for (size_t id = 0; id < vocab; id++) {
        types[id] = token_text(b, id, texts[id]);
        items[id] = texts[id];
        scores[id] = types[id] == TYPE_NORMAL ? 0 : -1000; /* as llama.cpp's converter does for ids without a piece */
    }
    cso_gguf_writer_string(writer, "tokenizer.ggml.model", b->gemma ? "llama" : "gpt2");
    cso_gguf_writer_string(writer, "tokenizer.ggml.pre", b->pre);
    cso_gguf_writer_strings(writer, "tokenizer.ggml.tokens", items, NULL, vocab);
    cso_gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, vocab);
    if (b->gemma)
        cso_gguf_writer_f32s(writer, "tokenizer.ggml.scores", scores, vocab);
    else
        cso_gguf_writer_strings(writer, "tokenizer.ggml.merges", NULL, NULL, 0);
    if (b->bos >= 0)
        cso_gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", (uint32_t)special_id(b, b->bos));
    cso_gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", (uint32_t)special_id(b, b->eos));
    cso_gguf_writer_u32(writer, "tokenizer.ggml.padding_token_id", (uint32_t)special_id(b, b->padding));
    if (b->unknown >= 0)
        cso_gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", (uint32_t)special_id(b, b->unknown));
    cso_gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", b->adds_bos);
    cso_gguf_writer_bool(writer, "tokenizer.ggml.add_eos_token", false);
    if (b->gemma)
        cso_gguf_writer_bool(writer, "tokenizer.ggml.add_space_prefix", false);
    cso_gguf_writer_string(writer, "tokenizer.chat_template", b->chat_template);
done:
    free(texts);
    free(items);
    free(types);
    free(scores);
    return status;
}

static cso_status copy_file(const char *from, const char *folder, const char *name, bool *copied, cso_error *err) {
    char *source = cso_path_join(from, name), *target = cso_path_join(folder, name), *data = NULL;
    size_t size = 0;
    cso_status status = source && target ? CSO_OK : cso_fail_memory(err, name);
    *copied = status == CSO_OK && cso_path_exists(source);
    if (*copied)
        status = cso_read_file(source, MAX_TOKENIZER_FILE, &data, &size, err);
    if (*copied && status == CSO_OK)
        status = cso_save_text(target, data, size, err);
    free(source);
    free(target);
    free(data);
    return status;
}

cso_status cso_tokenizer_copy_files(const char *from, const char *folder, cso_error *err) {
    static const char *const NAMES[] = {
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
        "vocab.json",     "merges.txt",      "added_tokens.json"};
    char *source = cso_path_is_folder(from) ? cso_strdup(from) : cso_path_folder(from);
    if (!source)
        return cso_fail_memory(err, from);
    bool found = false, copied;
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < sizeof NAMES / sizeof *NAMES; i++) {
        status = copy_file(source, folder, NAMES[i], &copied, err);
        found = found || (copied && i < 2);
    }
    if (status == CSO_OK && !found)
        status = cso_fail(
            err, CSO_ERR_USAGE,
            "%s: has no tokenizer.json or tokenizer.model (a model in Hugging Face's layout takes one of these; from a GGUF "
            "only a GGUF can be made)",
            from);
    free(source);
    return status;
}

cso_status cso_tokenizer_copy_keys(const char *from, cso_gguf_writer *writer, size_t vocab, cso_error *err) {
    size_t length = strlen(from);
    if (length < 5 || strcmp(from + length - 5, ".gguf") != 0)
        return cso_fail(
            err, CSO_ERR_USAGE,
            "%s: not a .gguf file (a GGUF takes its tokenizer from another GGUF; from a folder only a folder can be made)", from);
    cso_gguf *gguf = NULL;
    const cso_gguf_value *tokens;
    cso_status status;
    CSO_TRY_DONE(cso_gguf_open(&gguf, from, err));
    CSO_TRY_DONE(cso_gguf_get_array(gguf, "tokenizer.ggml.tokens", true, &tokens, NULL, err));
    if (tokens->count != vocab)
        CSO_TRY_DONE(
            cso_fail(err, CSO_ERR_USAGE, "%s: has %zu tokens (the model is to have %zu rows)", from, tokens->count, vocab));
    for (size_t i = 0; i < cso_gguf_value_count(gguf); i++) {
        const cso_gguf_value *value = cso_gguf_value_at(gguf, i);
        if (!strncmp(value->key, "tokenizer.", 10))
            cso_gguf_writer_value(writer, value);
    }
done:
    cso_gguf_close(gguf);
    return status;
}
