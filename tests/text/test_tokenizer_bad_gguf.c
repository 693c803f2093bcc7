/* test_tokenizer_bad_gguf.c - GGUF metadata whose tokenizer must be refused. */
#include "../golden.h"
#include "base/file.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* GGUF files in memory: only metadata. */
typedef struct gguf_bytes {
    unsigned char data[1 << 16];
    size_t size;
    uint64_t keys;
} gguf_bytes;

static void put(gguf_bytes *g, const void *data, size_t size) {
    assert_true(g->size + size <= sizeof g->data);
    memcpy(g->data + g->size, data, size);
    g->size += size;
}

static void put_number(gguf_bytes *g, uint64_t value, size_t size) {
    put(g, &value, size);
} /* little-endian machines only */

static void put_string(gguf_bytes *g, const char *text) {
    put_number(g, strlen(text), 8);
    put(g, text, strlen(text));
}

static void put_key(gguf_bytes *g, const char *key, uint32_t type) {
    put_string(g, key);
    put_number(g, type, 4);
    g->keys++;
}

static void put_strings(gguf_bytes *g, const char *key, const char *const *items, size_t count) {
    put_key(g, key, 9);
    put_number(g, 8, 4);
    put_number(g, count, 8);
    for (size_t i = 0; i < count; i++)
        put_string(g, items[i]);
}

static void put_types(gguf_bytes *g, const int32_t *types, size_t count) {
    put_key(g, "tokenizer.ggml.token_type", 9);
    put_number(g, 5, 4);
    put_number(g, count, 8);
    put(g, types, count * sizeof *types);
}

typedef struct gguf_case {
    const char *model, *pre;
    const char *tokens[5];
    int32_t types[5];
    size_t type_count;
    const char *merge;
    uint64_t bos;
    const char *message;
} gguf_case;

static const gguf_case gguf_cases[] = {
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, NULL},
    {"gpt2", "llama-bpe", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, NULL},
    {"bert", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "tokenizer.ggml.model \"bert\""},
    {"gpt2", "tekken", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "tokenizer.ggml.pre \"tekken\""},
    {"gpt2", "qwen2", {"a", "b", "ab", "a", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "the tokens 0 and 3 are both \"a\""},
    {"gpt2",
     "qwen2",
     {"a", "b", "ab", "<|x|>", "[PAD4]"},
     {1, 1, 1, 3, 9},
     5,
     "a b",
     3,
     "token 4, \"[PAD4]\", has the invalid type 9"},
    {"gpt2",
     "qwen2",
     {"a", "b", "ab", "<|x|>", "<0x-1>"},
     {1, 1, 1, 3, 6},
     5,
     "a b",
     3,
     "token 4, \"<0x-1>\", has the invalid type 6"},
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 4, "a b", 3, "token_type has 4 items (expected 5"},
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a c", 3, "merge 0 names \"c\""},
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "b a", 3, "makes no token"},
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "ab", 3, "merge 0 is \"ab\""},
    {"gpt2",
     "qwen2",
     {"a", "b", "ab", "<|x|>", "[PAD4]"},
     {1, 1, 1, 3, 5},
     5,
     "a b",
     5,
     "bos_token_id is 5, but there are 5 tokens"},
    {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", UINT32_MAX, "bos_token_id is 4294967295"},
    {"llama", "default", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "add_space_prefix false"},
};

static gguf_bytes *make_gguf(const gguf_case *c) {
    gguf_bytes *g = calloc(1, sizeof *g);
    assert_non_null(g);
    put(g, "GGUF\x03\0\0\0", 8);
    put_number(g, 0, 8);
    put_number(g, 0, 8); /* the number of keys, written at the end */
    put_key(g, "tokenizer.ggml.model", 8);
    put_string(g, c->model);
    put_key(g, "tokenizer.ggml.pre", 8);
    put_string(g, c->pre);
    put_strings(g, "tokenizer.ggml.tokens", c->tokens, 5);
    put_types(g, c->types, c->type_count);
    put_strings(g, "tokenizer.ggml.merges", &c->merge, 1);
    put_key(g, "tokenizer.ggml.bos_token_id", 4);
    put_number(g, c->bos, 4);
    memcpy(g->data + 16, &g->keys, 8);
    return g;
}

static void test_gguf(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof gguf_cases / sizeof *gguf_cases; i++) {
        const gguf_case *c = &gguf_cases[i];
        gguf_bytes *g = make_gguf(c);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.gguf", g->data, g->size, &err);
        if (!c->message)
            golden_ok(status, &err);
        else if (status != CSO_ERR_INPUT || !strstr(err.message, c->message) || strncmp(err.message, "t.gguf", 6))
            fail_msg("status %d, \"%s\" (expected \"%s\")", (int)status, err.message, c->message);
        if (tokenizer)
            assert_int_equal(cso_tokenizer_bos(tokenizer), c->bos);
        cso_tokenizer_free(tokenizer);
        free(g);
    }
}

enum { KEEP = 99 };
static const struct {
    const char *file, *key;
    int32_t type, item; /* of the value, and of an array's items */
    bool negative;
    const char *message;
} key_cases[] = {
    {"llama", "tokenizer.ggml.model", -1, 0, false, "key tokenizer.ggml.model is missing"},
    {"llama", "tokenizer.ggml.pre", -1, 0, false, "key tokenizer.ggml.pre is missing"},
    {"llama", "tokenizer.ggml.tokens", -1, 0, false, "tokenizer.ggml.tokens is missing, empty or holds no strings"},
    {"llama", "tokenizer.ggml.merges", -1, 0, false, "tokenizer.ggml.merges is missing or holds no strings"},
    {"llama", "tokenizer.ggml.token_type", KEEP, 6, false, "tokenizer.ggml.token_type holds no integers"},
    {"llama", "tokenizer.ggml.bos_token_id", 6, 0, false,
     "key tokenizer.ggml.bos_token_id: is of type float32 (expected an integer)"},
    {"llama", "tokenizer.ggml.eos_token_id", 5, 0, true, "key tokenizer.ggml.eos_token_id: must be >= 0, got -"},
    {"gemma2", "tokenizer.ggml.scores", -1, 0, false, "tokenizer.ggml.scores is missing or holds no floats"},
    {"gemma2", "tokenizer.ggml.scores", KEEP, 5, false, "tokenizer.ggml.scores is missing or holds no floats"},
    {"gemma2", "tokenizer.ggml.add_space_prefix", -1, 0, false, "SentencePiece with a space before the text"},
    {"gemma2", "tokenizer.ggml.tokens", -1, 0, false, "tokenizer.ggml.tokens is missing"},
};

/* The tokenizer's keys of real files, one by one under another name or of another type. */
static void test_gguf_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof key_cases / sizeof *key_cases; i++) {
        char *file, wanted[128];
        size_t size, length = strlen(key_cases[i].key);
        cso_error err = {0};
        golden_ok(cso_read_file(golden_path("gguf/%s-tiny-Q8_0.gguf", key_cases[i].file), 1 << 24, &file, &size, &err), &err);
        memcpy(wanted, &(uint64_t){length}, 8);
        memcpy(wanted + 8, key_cases[i].key, length);
        char *at = memmem(file, size, wanted, 8 + length);
        if (!at)
            fail_msg("%s is not there", key_cases[i].key);
        if (key_cases[i].type < 0)
            at[8 + length - 1] = '_';
        else if (key_cases[i].type != KEEP)
            memcpy(at + 8 + length, &key_cases[i].type, 4);
        if (key_cases[i].item)
            memcpy(at + 12 + length, &key_cases[i].item, 4);
        if (key_cases[i].negative)
            at[15 + length] = (char)0x80; /* the number's sign */
        cso_tokenizer *tokenizer = NULL;
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.gguf", file, size, &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, key_cases[i].message) || tokenizer)
            fail_msg("%s: status %d, \"%s\" (expected \"%s\")", key_cases[i].key, (int)status, err.message, key_cases[i].message);
        free(file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_gguf_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
