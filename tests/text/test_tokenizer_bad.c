/* test_tokenizer_bad.c - tokenizer.json files that must be refused, each for its own reason, and odd ones that must not be. */
#include "../golden.h"
#include "../io/bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "text/text_vocab.h"
#include "text/tokenizer.h"

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

/* What is replaced in byte_level, by what, and what the message must hold. */
static const char *const refused[][3] = {
    {"\"b\":1", "\"b\":1.5", "the id of token \"b\" must be a whole number below 4"},
    {"\"b\":1", "\"b\":-1", "the id of token \"b\""},
    {"\"b\":1", "\"b\":\"1\"", "the id of token \"b\""},
    {"\"b\":1", "\"b\":4000000", "the id of token \"b\""},
    {"\"b\":1", "\"b\":1e300", "the id of token \"b\""},
    {"\"b\":1", "\"b\":0", "id 0 belongs to two tokens, \"a\" and \"b\""},
    {"\"b\":1", "\"b\":1,\"b\":1", "duplicate"},
    {"{\"a\":0,\"b\":1,\"ab\":2}", "[]", "model.vocab is missing or not an object"},
    {"\"ab\":2", "\"ab\":2,\"c\":5", "the id of token \"c\" must be a whole number below 5"},
    {"\"ab\":2", "\"ab\":2,\"<|x|>\":3,\"c\":5", "no token has the id 4 (ids must run from 0 to 5)"},
    {"\"id\":3", "\"id\":2", "id 2 belongs to two tokens"},
    {"\"id\":3", "\"id\":9", "the id of token \"<|x|>\" must be a whole number below 4"},
    {"\"id\":3,\"content\":\"<|x|>\"", "\"id\":3,\"content\":\"ab\"", "added token \"ab\" has the id 3, but 2 in model.vocab"},
    {"\"content\":\"<|x|>\",", "", "an item of added_tokens has no content"},
    {"[{\"id\":3", "[7,{\"id\":3", "an item of added_tokens has no content"},
    {"\"a b\"", "\"a c\"", "merge 0 names \"c\", which is not a token"},
    {"\"a b\"", "\"b a\"", "merge 0, \"b\" and \"a\", makes no token"},
    {"\"a b\"", "\"ab\"", "merge 0 is \"ab\" (expected two tokens with one space between)"},
    {"\"a b\"", "\"a b c\"", "merge 0 is \"a b c\""},
    {"\"a b\"", "\"\"", "merge 0 is \"\""},
    {"\"a b\"", "\" b\"", "merge 0 names \"\""},
    {"\"a b\"", "[\"a\"]", "merge 0 is neither \"a b\" nor [\"a\", \"b\"]"},
    {"\"a b\"", "[\"a\",\"b\",\"c\"]", "merge 0 is neither"},
    {"\"a b\"", "7", "merge 0 is neither"},
    {"[\"a b\"]", "{}", "model.merges is missing or not an array"},
    {"\"type\":\"BPE\"", "\"type\":\"Unigram\"", "model.type \"Unigram\" is not supported (expected BPE)"},
    {"\"dropout\":null", "\"dropout\":0.1", "model.dropout is not supported"},
    {"\"unk_token\":null", "\"unk_token\":\"zz\"", "model.unk_token \"zz\" is not a token"},
    {"\"unk_token\":null", "\"unk_token\":5", "unk_token: expected a string"},
    {"\"unk_token\":null", "\"end_of_word_suffix\":\"</w>\"", "model.end_of_word_suffix is not supported"},
    {"\"unk_token\":null", "\"byte_fallback\":true", "model.byte_fallback is true"},
    {"{\"type\":\"NFC\"}", "{\"type\":\"NFKC\"}", "normalizer \"NFKC\" is not supported"},
    {"{\"type\":\"NFC\"}", "{\"type\":\"Lowercase\"}", "normalizer \"Lowercase\" is not supported"},
    {"{\"type\":\"NFC\"}", "7", "normalizer \"\" is not supported"},
    {"\\\\p{N}|", "\\\\p{N}+|", "pre_tokenizer \"Sequence\" of Split, ByteLevel is not supported"},
    {"\"Isolated\"", "\"Removed\"", "pre_tokenizer \"Sequence\" of Split, ByteLevel is not supported"},
    {"\"add_prefix_space\":false", "\"add_prefix_space\":true", "pre_tokenizer \"Sequence\" of Split, ByteLevel is not supported"},
    {"\"type\":\"Sequence\",\"pretokenizers\"", "\"type\":\"Metaspace\",\"pretokenizers\"",
     "pre_tokenizer \"Metaspace\" is not supported"},
    {"{\"type\":\"ByteLevel\",", "{\"type\":\"Punctuation\",", "pre_tokenizer \"Sequence\" of Split, Punctuation is not supported"},
    {"\"post_processor\":null", "\"post_processor\":{\"type\":\"BertProcessing\"}", "post_processor \"BertProcessing\""},
    {"\"post_processor\":null",
     "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":"
     "\"<|x|>\"}}]}",
     "post_processor \"TemplateProcessing\""},
    {"\"post_processor\":null",
     "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{"
     "\"id\":\"A\"}}]}",
     "post_processor adds \"<s>\", which is not a token"},
    {"{\"type\":\"ByteLevel\"}", "{\"type\":\"WordPiece\"}", "decoder \"WordPiece\" is not supported"},
    {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":null", "decoder \"null\" is not supported"},
    {"\"id\":3,\"content\"", "\"id\":null,\"content\"", "the id of token \"<|x|>\" must be a whole number"},
    {"\"id\":3", "\"id\":18446744073709551615", "the id of token \"<|x|>\" must be a whole number"},
    {"\"b\":1", "\"b\":18446744073709551615", "the id of token \"b\" must be a whole number"},
    {"\"b\":1", "\"b\":null", "the id of token \"b\" must be a whole number"},
    {"\"b\":1", "\"b\":[1]", "the id of token \"b\" must be a whole number"},
    {"{\"a\":0,\"b\":1,\"ab\":2}", "null", "model.vocab is missing or not an object"},
    {"\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},", "", "model.vocab is missing or not an object"},
    {"\"merges\":[\"a b\"]", "\"merges\":null", "model.merges is missing or not an array"},
    {",\"merges\":[\"a b\"]", "", "model.merges is missing or not an array"},
    {"\"a b\"", "[\"a\",\"c\"]", "merge 0 names \"c\", which is not a token"},
    {"\"a b\"", "\"a b\",[\"b\",\"a\"]", "merge 1, \"b\" and \"a\", makes no token"},
    {"\"a b\"", "[\"a\",1]", "merge 0 is neither"},
    {"\"a b\"", "[[\"a\",\"b\"]]", "merge 0 is neither"},
    {"\"a b\"", "{\"a\":\"b\",\"c\":\"d\"}", "merge 0 is neither"},
    {"\"a b\"", "null", "merge 0 is neither"},
    {"\"model\":{", "\"model\":[{},{}],\"other\":{", "model.type \"\" is not supported"},
    {"\"added_tokens\":[", "\"added_tokens\":{},\"other\":[", "added_tokens must be an array"},
    {"\"version\"", "version", ":1:"},
};

static void test_json_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char *text = replace(byte_level, refused[i][0], refused[i][1]);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        cso_status status = cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err);
        if (status != CSO_ERR_INPUT || !strstr(err.message, refused[i][2]) || strncmp(err.message, "t.json", 6))
            fail_msg("%s: status %d, \"%s\" (expected \"%s\")", refused[i][1], (int)status, err.message, refused[i][2]);
        free(text);
    }
}

/* A token of more than 64 KiB, and one of exactly 64 KiB. */
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
        golden_ok(cso_tokenizer_encode(tokenizer, "abb<|x|>c", 9, true, &ids, &err), &err); /* "c" has no token and is omitted */
        assert_int_equal(ids.count, 3);
        assert_true(ids.ids[0] == 2 && ids.ids[1] == 1 && ids.ids[2] == 3);
        free(ids.ids);
        free(text);
        cso_tokenizer_free(tokenizer);
    }
}

/* A merge whose result is not a token does nothing if whole words come before merges. */
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

/* Flags of added tokens: surrounding white space, whole words only, unknown characters fused or not. */
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

enum { LETTERS = 16, COUNT = 256000 };
static char names[COUNT][8];

/* byte_level with the vocabulary of names, its merges in steps of `step`. */
static cso_text large_json(size_t step) {
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
    char *id = strstr(text.data, "\"id\":3");
    assert_non_null(id);
    cso_text changed = {0};
    cso_text_format(&changed, "%.*s\"id\":%d%s", (int)(id - text.data), text.data, COUNT, id + 6);
    free(text.data);
    return changed;
}

/* 256 000 tokens, each but the letters made by one merge, load in well under a second, whatever the order of the merges. */
static void test_large_vocabulary(void **state) {
    (void)state;
    for (size_t i = 0; i < LETTERS; i++)
        snprintf(names[i], sizeof names[i], "%c", (char)('a' + i));
    for (size_t i = LETTERS; i < COUNT; i++)
        snprintf(names[i], sizeof names[i], "%.6s%c", names[i / LETTERS - 1], (char)('a' + i % LETTERS));
    for (size_t step = 1; step <= 100003; step += 100002) { /* in order, and shuffled */
        cso_text text = large_json(step);
        cso_tokenizer *tokenizer = NULL;
        cso_error err = {0};
        double begin = work_seconds();
        golden_ok(cso_tokenizer_from_memory(&tokenizer, "t.json", text.data, text.size, &err), &err);
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
        free(text.data);
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
        cmocka_unit_test(test_json_refused),     cmocka_unit_test(test_json_prefixes),        cmocka_unit_test(test_json_accepted),
        cmocka_unit_test(test_json_long_tokens), cmocka_unit_test(test_merge_without_result), cmocka_unit_test(test_flags),
        cmocka_unit_test(test_large_vocabulary), cmocka_unit_test(test_no_such_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
