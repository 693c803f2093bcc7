/* test_tokenizer_bad.c - files that must be refused, each for its own reason, and odd ones that must not be. */
#include "../golden.h"
#include "../io/bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "text/spm_proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char byte_level[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":3,\"content\":\"<|x|>\",\"special\":true,\"normalized\":false}],"
    "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
    "{"
    "\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":false,\"use_regex\":false}]},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"ignore_merges\":false,"
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static char *replace(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("the text has no \"%s\"", from);
    size_t size = strlen(text) - strlen(from) + strlen(to);
    char *made = malloc(size + 1);
    assert_non_null(made);
    snprintf(made, size + 1, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return made;
}

static void test_json_refused(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"\"b\":1", "\"b\":1.5", "the id of token \"b\" is no whole number below 4"},
        {"\"b\":1", "\"b\":-1", "the id of token \"b\""},
        {"\"b\":1", "\"b\":\"1\"", "the id of token \"b\""},
        {"\"b\":1", "\"b\":4000000", "the id of token \"b\""},
        {"\"b\":1", "\"b\":1e300", "the id of token \"b\""},
        {"\"b\":1", "\"b\":0", "id 0 belongs to two tokens, \"a\" and \"b\""},
        {"\"b\":1", "\"b\":1,\"b\":1", "duplicate"},
        {"{\"a\":0,\"b\":1,\"ab\":2}", "[]", "model.vocab is missing or no object"},
        {"\"ab\":2", "\"ab\":2,\"c\":5", "the id of token \"c\" is no whole number below 5"},
        {"\"ab\":2", "\"ab\":2,\"<|x|>\":3,\"c\":5", "no token has the id 4 (ids must run from 0 to 5)"},
        {"\"id\":3", "\"id\":2", "id 2 belongs to two tokens"},
        {"\"id\":3", "\"id\":9", "the id of token \"<|x|>\" is no whole number below 4"},
        {"\"id\":3,\"content\":\"<|x|>\"", "\"id\":3,\"content\":\"ab\"", "added token \"ab\" has the id 3, but 2 in model.vocab"},
        {"\"content\":\"<|x|>\",", "", "an item of added_tokens has no content"},
        {"[{\"id\":3", "[7,{\"id\":3", "an item of added_tokens has no content"},
        {"\"a b\"", "\"a c\"", "merge 0 names \"c\", which is no token"},
        {"\"a b\"", "\"b a\"", "merge 0, \"b\" and \"a\", makes no token"},
        {"\"a b\"", "\"ab\"", "merge 0 is \"ab\" (expected two tokens with one space between)"},
        {"\"a b\"", "\"a b c\"", "merge 0 is \"a b c\""},
        {"\"a b\"", "\"\"", "merge 0 is \"\""},
        {"\"a b\"", "\" b\"", "merge 0 names \"\""},
        {"\"a b\"", "[\"a\"]", "merge 0 is neither \"a b\" nor [\"a\", \"b\"]"},
        {"\"a b\"", "[\"a\",\"b\",\"c\"]", "merge 0 is neither"},
        {"\"a b\"", "7", "merge 0 is neither"},
        {"[\"a b\"]", "{}", "model.merges is missing or no array"},
        {"\"type\":\"BPE\"", "\"type\":\"Unigram\"", "model.type \"Unigram\" is not supported (expected BPE)"},
        {"\"dropout\":null", "\"dropout\":0.1", "model.dropout is not supported"},
        {"\"unk_token\":null", "\"unk_token\":\"zz\"", "model.unk_token \"zz\" is no token"},
        {"\"unk_token\":null", "\"unk_token\":5", "unk_token: expected a string"},
        {"\"unk_token\":null", "\"end_of_word_suffix\":\"</w>\"", "model.end_of_word_suffix is not supported"},
        {"\"unk_token\":null", "\"byte_fallback\":true", "model.byte_fallback is true"},
        {"{\"type\":\"NFC\"}", "{\"type\":\"NFKC\"}", "normalizer \"NFKC\" is not supported"},
        {"{\"type\":\"NFC\"}", "{\"type\":\"Lowercase\"}", "normalizer \"Lowercase\" is not supported"},
        {"{\"type\":\"NFC\"}", "7", "normalizer \"\" is not supported"},
        {"\\\\p{N}|", "\\\\p{N}+|", "pre_tokenizer \"Sequence\" is not supported"},
        {"\"Isolated\"", "\"Removed\"", "pre_tokenizer \"Sequence\" is not supported"},
        {"\"add_prefix_space\":false", "\"add_prefix_space\":true", "pre_tokenizer \"Sequence\" is not supported"},
        {"\"post_processor\":null", "\"post_processor\":{\"type\":\"BertProcessing\"}", "post_processor \"BertProcessing\""},
        {"\"post_processor\":null",
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":"
         "\"<|x|>\"}}]}",
         "post_processor \"TemplateProcessing\""},
        {"\"post_processor\":null",
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{"
         "\"id\":\"A\"}}]}",
         "post_processor adds \"<s>\", which is no token"},
        {"{\"type\":\"ByteLevel\"}", "{\"type\":\"WordPiece\"}", "decoder \"WordPiece\" is not supported"},
        {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":null", "decoder \"null\" is not supported"},
        {"\"id\":3,\"content\"", "\"id\":null,\"content\"", "the id of token \"<|x|>\" is no whole number"},
        {"\"id\":3", "\"id\":18446744073709551615", "the id of token \"<|x|>\" is no whole number"},
        {"\"b\":1", "\"b\":18446744073709551615", "the id of token \"b\" is no whole number"},
        {"\"b\":1", "\"b\":null", "the id of token \"b\" is no whole number"},
        {"\"b\":1", "\"b\":[1]", "the id of token \"b\" is no whole number"},
        {"{\"a\":0,\"b\":1,\"ab\":2}", "null", "model.vocab is missing or no object"},
        {"\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},", "", "model.vocab is missing or no object"},
        {"\"merges\":[\"a b\"]", "\"merges\":null", "model.merges is missing or no array"},
        {",\"merges\":[\"a b\"]", "", "model.merges is missing or no array"},
        {"\"a b\"", "[\"a\",\"c\"]", "merge 0 names \"c\", which is no token"},
        {"\"a b\"", "\"a b\",[\"b\",\"a\"]", "merge 1, \"b\" and \"a\", makes no token"},
        {"\"a b\"", "[\"a\",1]", "merge 0 is neither"},
        {"\"a b\"", "[[\"a\",\"b\"]]", "merge 0 is neither"},
        {"\"a b\"", "{\"a\":\"b\",\"c\":\"d\"}", "merge 0 is neither"},
        {"\"a b\"", "null", "merge 0 is neither"},
        {"\"model\":{", "\"model\":[{},{}],\"other\":{", "model.type \"\" is not supported"},
        {"\"added_tokens\":[", "\"added_tokens\":{},\"other\":[", "added_tokens is no array"},
        {"\"version\"", "version", ":1:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = replace(byte_level, cases[i][0], cases[i][1]);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, cases[i][2]) || strncmp(err.message, "t.json", 6))
            fail_msg("%s: status %d, \"%s\" (expected \"%s\")", cases[i][1], (int)status, err.message, cases[i][2]);
        free(text);
    }
}

/* A token of more than 64 KiB, and one of just so many. */
static void test_json_long_tokens(void **state) {
    (void)state;
    for (size_t size = CSO_MAX_TOKEN_SIZE; size <= CSO_MAX_TOKEN_SIZE + 1; size++) {
        char *name = malloc(size + 16);
        assert_non_null(name);
        memset(name, 'x', size + 1);
        name[0] = '"';
        strcpy(name + size + 1, "\":2");
        char *vocab = replace(byte_level, "\"ab\":2", name), *text = replace(vocab, "[\"a b\"]", "[]");
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err);
        assert_int_equal(status, size > CSO_MAX_TOKEN_SIZE ? CSO_ERR_INPUT : CSO_OK);
        if (status != CSO_OK)
            assert_string_equal(err.message, "t.json: token 2 has 65537 bytes (at most 65536)");
        cso_tokenizer_free(tokenizer);
        free(text);
        free(vocab);
        free(name);
    }
}

static void test_json_prefixes(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof byte_level - 1; size++) {
        cso_tokenizer *tokenizer = NULL;
        assert_int_equal(cso_tokenizer_from_memory(&tokenizer, "t.json", byte_level, size, NULL), CSO_ERR_INPUT);
    }
}

static void test_json_accepted(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"a b\"", "[\"a\",\"b\"]"},
        {"\"version\":\"1.0\",", ""},
        {"\"type\":\"BPE\",", ""},
        {"\"dropout\":null", "\"dropout\":0.0"},
        {"\"normalizer\":{\"type\":\"NFC\"}", "\"normalizer\":null"},
        {"{\"type\":\"NFC\"}", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}]}"},
        {"\"ignore_merges\":false", "\"continuing_subword_prefix\":\"\""},
        {"\"ignore_merges\":false", "\"ignore_merges\":true"},
        {"\"ignore_merges\":false",
         "\"vocab\":{\"ab\":2,\"b\":1,\"\\u0061\":0},\"merges\":[[ \"\\u0061\" , \"b\" ]]},\"other\":{\"x\":0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = replace(byte_level, cases[i][0], cases[i][1]);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_ids ids = {0};
        golden_ok(cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err), &err);
        golden_ok(cso_tokenizer_encode(tokenizer, "abb<|x|>c", 9, true, &ids, &err), &err); /* "c" has no token and is left out */
        assert_int_equal(ids.count, 3);
        assert_true(ids.ids[0] == 2 && ids.ids[1] == 1 && ids.ids[2] == 3);
        free(ids.ids);
        free(text);
        cso_tokenizer_free(tokenizer);
    }
}

/* A merge whose result is no token does nothing where whole words go before merges. */
static void test_merge_without_result(void **state) {
    (void)state;
    char *with = replace(byte_level, "\"ignore_merges\":false", "\"ignore_merges\":true");
    char *text = replace(with, "[\"a b\"]", "[\"b a\",\"a b\"]");
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    cso_ids ids = {0};
    golden_ok(cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err), &err);
    golden_ok(cso_tokenizer_encode(tokenizer, "bab", 3, true, &ids, &err), &err);
    assert_int_equal(ids.count, 2);
    assert_true(ids.ids[0] == 1 && ids.ids[1] == 2);
    free(ids.ids);
    cso_tokenizer_free(tokenizer);
    free(text);
    free(with);
}

/* Flags of added tokens: white space taken along, whole words only, unknown characters fused or not. */
static void test_flags(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *text;
        int count;
        int32_t ids[8];
    } cases[] = {
        {"\"special\":true", "\"lstrip\":true", "a \n<|x|> b", 3, {0, 3, 1}},
        {"\"special\":true", "\"rstrip\":true", "a <|x|> \t\nb", 3, {0, 3, 1}},
        {"\"special\":true", "\"single_word\":true", "a<|x|> <|x|>", 2, {0, 3}},
        {"\"unk_token\":null", "\"unk_token\":\"<|x|>\",\"fuse_unk\":true", "acdeb", 3, {0, 3, 1}},
        {"\"unk_token\":null", "\"unk_token\":\"<|x|>\"", "acdeb", 5, {0, 3, 3, 3, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = replace(byte_level, cases[i].from, cases[i].to);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_ids ids = {0};
        golden_ok(cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err), &err);
        golden_ok(cso_tokenizer_encode(tokenizer, cases[i].text, strlen(cases[i].text), true, &ids, &err), &err);
        assert_int_equal(ids.count, cases[i].count);
        assert_memory_equal(ids.ids, cases[i].ids, ids.count * sizeof *ids.ids);
        free(ids.ids);
        free(text);
        cso_tokenizer_free(tokenizer);
    }
}

/* A SentencePiece model of the pieces given, with <unk>, control pieces and bytes before them. */
static void make_model(cso_vocab *vocab, float **scores) {
    static const char *const special[] = {"<pad>", "<eos>", "<bos>", "<unk>"};
    char name[8];
    for (size_t id = 0; id < 4; id++)
        golden_ok(cso_vocab_set(vocab, id, (cso_chars){special[id], 5}, (cso_chars){0},
                                id == 3 ? CSO_TOKEN_UNKNOWN : CSO_TOKEN_CONTROL, "", NULL),
                  NULL);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(name, sizeof name, "<0x%02X>", byte);
        golden_ok(cso_vocab_set(vocab, 4 + byte, (cso_chars){name, 6}, (cso_chars){0}, CSO_TOKEN_BYTE, "", NULL), NULL);
    }
    *scores = cso_calloc(300, sizeof **scores);
    assert_non_null(*scores);
}

static void add_piece(cso_vocab *vocab, const char *text, size_t size, cso_token_kind kind) {
    golden_ok(cso_vocab_set(vocab, vocab->count, (cso_chars){text, size}, (cso_chars){0}, kind, "", NULL), NULL);
}

static void expect_model(const cso_vocab *vocab, const float *scores, const char *message) {
    unsigned char *proto = NULL;
    size_t size = 0;
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    golden_ok(cso_spm_proto_write(vocab, scores, &proto, &size, &err), &err);
    cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.model", proto, size, &err);
    if (message && (status != CSO_ERR_INPUT || !strstr(err.message, message)))
        fail_msg("status %d, \"%s\" (expected \"%s\")", (int)status, err.message, message);
    else if (!message)
        golden_ok(status, &err);
    if (!message) /* and no beginning of it is a model */
        for (size_t cut = 0; cut < size; cut += 13) {
            cso_tokenizer *none = NULL;
            assert_int_equal(cso_tokenizer_from_memory(&none, "t.model", proto, cut, NULL), CSO_ERR_INPUT);
        }
    cso_tokenizer_free(tokenizer);
    free(proto);
}

static void test_model_pieces(void **state) {
    (void)state;
    static const struct {
        size_t size;
        cso_token_kind kind;
        const char *text, *message;
    } cases[] = {
        {1, CSO_TOKEN_NORMAL, "a", NULL},
        {0, CSO_TOKEN_NORMAL, "", "piece 260 has 0 bytes"},
        {100000, CSO_TOKEN_USER, NULL, "has 100000 bytes (at most 65536)"}, /* the library's trie would recurse as deep */
        {2000, CSO_TOKEN_USER, NULL, "piece 260 has 2000 bytes (expected 1 to 1024)"},
        {1024, CSO_TOKEN_USER, NULL, NULL},
        {2, CSO_TOKEN_NORMAL, "\xC3(", "piece 260 is not UTF-8"},
        {2, CSO_TOKEN_NORMAL, "a\0", "piece 260 is not UTF-8 or has a zero character"},
        {5, CSO_TOKEN_NORMAL, "<unk>", "the tokens 3 and 260 are both \"<unk>\""},
        {2, CSO_TOKEN_UNKNOWN, "uu", "2 pieces are of the unknown type"},
        {2, CSO_TOKEN_BYTE, "xx", "piece 260 has the type 6, which it cannot have"},
    };
    char *long_text = malloc(100000);
    assert_non_null(long_text);
    memset(long_text, 'x', 100000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_vocab vocab = {0};
        float *scores;
        make_model(&vocab, &scores);
        if (cases[i].size > CSO_MAX_TOKEN_SIZE) { /* our own vocabulary refuses it at once */
            cso_error err;
            assert_int_equal(
                cso_vocab_set(&vocab, 260, (cso_chars){long_text, cases[i].size}, (cso_chars){0}, cases[i].kind, "p", &err),
                CSO_ERR_INPUT);
            assert_non_null(strstr(err.message, cases[i].message));
        } else {
            add_piece(&vocab, cases[i].text ? cases[i].text : long_text, cases[i].size, cases[i].kind);
            expect_model(&vocab, scores, cases[i].message);
        }
        cso_vocab_free(&vocab);
        free(scores);
    }
    cso_vocab vocab = {0};
    float *scores;
    make_model(&vocab, &scores);
    add_piece(&vocab, "a", 1, CSO_TOKEN_NORMAL);
    scores[260] = (float)(0.0 / (vocab.count - 261.0)); /* NaN */
    expect_model(&vocab, scores, "the score of piece 260 is not finite");
    cso_vocab_free(&vocab);
    free(scores);
    free(long_text);
}

static void test_model_settings(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *message;
        size_t size;
    } cases[] = {
        {"", "the vocabulary is empty", 0},
        {"\x0A\x03\x0A\x01\x61", "trainer_spec.model_type BPE", 5},
        {"\x0A\x03\x0A\x01\x61\x12\x02\x18\x02", "trainer_spec.byte_fallback true", 9},
        {"\x0A\x03\x0A\x01\x61\x12\x05\x18\x02\x98\x02\x01", "normalizer_spec.add_dummy_prefix false", 12},
        {"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "malformed at byte 11", 11}, /* a length of 2^64 - 1 */
        {"\x0A\x03\x0A\x09\x61", "piece 0 is malformed", 5},
        {"IQ== 0\n", "malformed", 7}, /* tiktoken's ranks, also called tokenizer.model */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        assert_int_equal(cso_tokenizer_from_memory(&tokenizer, "t.model", cases[i].bytes, cases[i].size, &err), CSO_ERR_INPUT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" (expected \"%s\")", err.message, cases[i].message);
    }
}

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

static void test_gguf(void **state) {
    (void)state;
    static const gguf_case cases[] = {
        {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, NULL},
        {"gpt2", "llama-bpe", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, NULL},
        {"bert", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "tokenizer.ggml.model \"bert\""},
        {"gpt2", "tekken", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "tokenizer.ggml.pre \"tekken\""},
        {"gpt2", "qwen2", {"a", "b", "ab", "a", "[PAD4]"}, {1, 1, 1, 3, 5}, 5, "a b", 3, "the tokens 0 and 3 are both \"a\""},
        {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "[PAD4]"}, {1, 1, 1, 3, 9}, 5, "a b", 3, "token 4, \"[PAD4]\", has the type 9"},
        {"gpt2", "qwen2", {"a", "b", "ab", "<|x|>", "<0x-1>"}, {1, 1, 1, 3, 6}, 5, "a b", 3, "token 4, \"<0x-1>\", has the type 6"},
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
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const gguf_case *c = &cases[i];
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

/* 256 000 tokens, each but the letters made by one merge, load in well under a second, whatever the order of the merges. */
static void test_large_vocabulary(void **state) {
    (void)state;
    enum { LETTERS = 16, COUNT = 256000 };
    static char names[COUNT][8];
    for (size_t i = 0; i < LETTERS; i++)
        snprintf(names[i], sizeof names[i], "%c", (char)('a' + i));
    for (size_t i = LETTERS; i < COUNT; i++)
        snprintf(names[i], sizeof names[i], "%.6s%c", names[i / LETTERS - 1], (char)('a' + i % LETTERS));
    for (size_t step = 1; step <= 100003; step += 100002) { /* in order, and in no order */
        cso_text text = {0};
        const char *rest = strstr(byte_level, "\"vocab\"");
        cso_text_format(&text, "%.*s\"vocab\":{", (int)(rest - byte_level), byte_level);
        for (size_t i = 0; i < COUNT; i++)
            cso_text_format(&text, "\"%s\":%zu,", names[i], i);
        cso_text_format(&text, "\"<|x|>\":%d},\"merges\":[", COUNT);
        for (size_t i = 0, at = 0; i < COUNT - LETTERS; i++, at = (at + step) % (COUNT - LETTERS)) {
            const char *name = names[LETTERS + at];
            int last = (int)strlen(name) - 1;
            cso_text_add(&text, ",", i > 0);
            if (i % 2)
                cso_text_format(&text, "[\"%.*s\",\"%s\"]", last, name, name + last);
            else
                cso_text_format(&text, "\"%.*s %s\"", last, name, name + last);
        }
        cso_text_format(&text, "]}}");
        assert_false(text.failed);
        char *at = strstr(text.data, "\"id\":3");
        assert_non_null(at);
        cso_text changed = {0};
        cso_text_format(&changed, "%.*s\"id\":%d%s", (int)(at - text.data), text.data, COUNT, at + 6);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        double begin = work_seconds();
        golden_ok(cso_tokenizer_from_memory(&tokenizer, "t.json", changed.data, changed.size, &err), &err);
        double took = work_seconds() - begin;
        print_message("%d tokens, merges by steps of %zu: %.2f s\n", COUNT, step, took);
        assert_true(took < 1.0);
        cso_ids ids = {0};
        golden_ok(cso_tokenizer_encode(tokenizer, "ba<|x|>", 7, true, &ids, &err), &err);
        assert_int_equal(ids.count, 2);
        assert_string_equal(names[ids.ids[0]], "ba");
        assert_int_equal(ids.ids[1], COUNT);
        free(ids.ids);
        cso_tokenizer_free(tokenizer);
        free(changed.data);
        free(text.data);
    }
}

/* The tokenizer's keys of real files, one by one under another name or of another type. */
static void test_gguf_keys(void **state) {
    (void)state;
    enum { KEEP = 99 };
    static const struct {
        const char *file, *key;
        int32_t type, item; /* of the value, and of an array's items */
        bool negative;
        const char *message;
    } cases[] = {
        {"llama", "tokenizer.ggml.model", -1, 0, false, "key tokenizer.ggml.model is missing"},
        {"llama", "tokenizer.ggml.pre", -1, 0, false, "key tokenizer.ggml.pre is missing"},
        {"llama", "tokenizer.ggml.tokens", -1, 0, false, "tokenizer.ggml.tokens is missing, empty or holds no strings"},
        {"llama", "tokenizer.ggml.merges", -1, 0, false, "tokenizer.ggml.merges is missing or holds no strings"},
        {"llama", "tokenizer.ggml.token_type", KEEP, 6, false, "tokenizer.ggml.token_type holds no integers"},
        {"llama", "tokenizer.ggml.bos_token_id", 6, 0, false,
         "key tokenizer.ggml.bos_token_id: is of type float32 (expected an integer)"},
        {"llama", "tokenizer.ggml.eos_token_id", 5, 0, true, "key tokenizer.ggml.eos_token_id: is -"},
        {"gemma2", "tokenizer.ggml.scores", -1, 0, false, "tokenizer.ggml.scores is missing or holds no floats"},
        {"gemma2", "tokenizer.ggml.scores", KEEP, 5, false, "tokenizer.ggml.scores is missing or holds no floats"},
        {"gemma2", "tokenizer.ggml.add_space_prefix", -1, 0, false, "SentencePiece with a space before the text"},
        {"gemma2", "tokenizer.ggml.tokens", -1, 0, false, "tokenizer.ggml.tokens is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *file, wanted[128];
        size_t size, length = strlen(cases[i].key);
        cso_error err = {0};
        golden_ok(cso_read_file(golden_path("gguf/%s-tiny-Q8_0.gguf", cases[i].file), 1 << 24, &file, &size, &err), &err);
        memcpy(wanted, &(uint64_t){length}, 8);
        memcpy(wanted + 8, cases[i].key, length);
        char *at = memmem(file, size, wanted, 8 + length);
        if (!at)
            fail_msg("%s is not there", cases[i].key);
        if (cases[i].type < 0)
            at[8 + length - 1] = '_';
        else if (cases[i].type != KEEP)
            memcpy(at + 8 + length, &cases[i].type, 4);
        if (cases[i].item)
            memcpy(at + 12 + length, &cases[i].item, 4);
        if (cases[i].negative)
            at[15 + length] = (char)0x80; /* the number's sign */
        cso_tokenizer *tokenizer = NULL;
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.gguf", file, size, &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, cases[i].message) || tokenizer)
            fail_msg("%s: status %d, \"%s\" (expected \"%s\")", cases[i].key, (int)status, err.message, cases[i].message);
        free(file);
    }
}

static void test_no_such_file(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    assert_int_equal(cso_tokenizer_open(&tokenizer, "tests/text/none.json", &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "tests/text/none.json"));
    assert_int_equal(cso_tokenizer_open(&tokenizer, CSO_TEST_DATA "/text", &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "no tokenizer here"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_prefixes),
        cmocka_unit_test(test_json_accepted),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_model_pieces),
        cmocka_unit_test(test_model_settings),
        cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_no_such_file),
        cmocka_unit_test(test_json_long_tokens),
        cmocka_unit_test(test_merge_without_result),
        cmocka_unit_test(test_gguf_keys),
        cmocka_unit_test(test_large_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
