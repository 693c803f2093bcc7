/* test_constraint_schema.c - whatever is picked from the masks of a schema parses, and is of the schema. */
#include "constraint_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bytes 80 and 9F as byte-level vocabularies write them. */
#define LATIN_80 "\xC4\xA2"
#define LATIN_9F "\xC5\x81"

static size_t unchanged; /* replies that check_own_tokens could check */

/* The tokens that the tokenizer itself writes the reply with are allowed, too. Left out: a text that it cannot write, or changes
 * first; and where it cuts characters while the vocabulary cannot finish all of them, which masks avoid. */
static void check_own_tokens(const cso_tokenizer *tokenizer, const cso_constraint *constraint, const walked_reply *reply) {
    cso_ids ids = {0};
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(cso_tokenizer_encode(tokenizer, reply->text, reply->size, false, &ids, NULL), CSO_OK);
    assert_int_equal(cso_tokenizer_decode_bytes(tokenizer, ids.ids, ids.count, &text, &size, NULL), CSO_OK);
    if (size == reply->size && !memcmp(text, reply->text, size)) {
        cso_constraint_state state = cso_constraint_start(constraint);
        for (size_t i = 0; i < ids.count; i++)
            if (!cso_constraint_advance(constraint, &state, ids.ids[i]))
                fail_msg("token %zu of %s", i, reply->text);
        assert_true(cso_constraint_complete(constraint, &state));
        unchanged++;
    }
    free(text);
    free(ids.ids);
}

/* Only the made-up vocabularies lack bytes. */
static bool finishes_characters(const cso_tokenizer *tokenizer) {
    return cso_tokenizer_find(tokenizer, "<|end|>") < 0 ||
           (cso_tokenizer_find(tokenizer, LATIN_80) >= 0 && cso_tokenizer_find(tokenizer, LATIN_9F) >= 0);
}

/* One reply to one schema. */
static void check_reply(const cso_tokenizer *tokenizer, const cso_token_trie *trie, int32_t end, const cJSON *schema,
                        const cso_constraint *constraint, uint32_t *seed) {
    uint32_t before = *seed;
    walked_reply reply = fixture_walk(tokenizer, trie, constraint, end, 40, seed);
    cJSON *value = NULL;
    cso_error error = {0};
    if (cso_json_parse(&value, reply.text, reply.size, "reply", 1, &error) != CSO_OK)
        fail_msg("seed %u: %s\n%s", (unsigned)before, error.message, reply.text);
    const char *wrong = fixture_invalid(schema, value);
    if (wrong) {
        char *text = cJSON_PrintUnformatted(schema);
        fail_msg("seed %u: %s\n%s\n%s", (unsigned)before, wrong, text, reply.text);
    }
    if (finishes_characters(tokenizer))
        check_own_tokens(tokenizer, constraint, &reply);
    cJSON_Delete(value);
    walked_reply_free(&reply);
}

/* NULL where the vocabulary lacks a byte of the schema's texts. */
static cso_constraint *make(const cso_token_trie *trie, const char *schema) {
    cso_constraint *constraint = NULL;
    cso_error error = {0};
    cso_status status = cso_constraint_schema(&constraint, trie, schema, strlen(schema), "schema", NULL, &error);
    if (status != CSO_OK && !strstr(error.message, "has no token for the byte"))
        fail_msg("%s\n%s", error.message, schema);
    return constraint;
}

/* count random schemas, some replies each. */
static void check_schemas(const cso_tokenizer *tokenizer, const char *end, size_t count, uint32_t seed) {
    cso_token_trie *trie = fixture_trie(tokenizer, end);
    unchanged = 0;
    for (size_t done = 0; done < count;) {
        cJSON *schema = fixture_schema(&seed, 4);
        char *text = cJSON_PrintUnformatted(schema);
        cso_constraint *constraint = make(trie, text);
        for (size_t k = 0; constraint && k < 3; k++)
            check_reply(tokenizer, trie, cso_tokenizer_find(tokenizer, end), schema, constraint, &seed);
        done += constraint != NULL;
        cso_constraint_free(constraint);
        cJSON_free(text);
        cJSON_Delete(schema);
    }
    cso_token_trie_free(trie);
    assert_true(unchanged > count || !finishes_characters(tokenizer));
}

static void made_up_vocabularies(void **state) {
    (void)state;
    static const uint8_t without[][4] = {"", "\x9F", "\x80\x13\xE2", "\xC3\xF0\n"};
    for (uint32_t i = 0; i < 4; i++) {
        cso_tokenizer *tokenizer = fixture_tokenizer(without[i], 250, i);
        check_schemas(tokenizer, "<|end|>", 250, 17 + i);
        cso_tokenizer_free(tokenizer);
    }
}

/* Special, unknown and chat tokens are not text, whatever kind their file gives them; bytes and words are. */
static void check_text_tokens(const cso_tokenizer *tokenizer) {
    static const char *const not_text[] = {
        "<|begin_of_text|>", "<|eot_id|>",   "<|im_start|>", "<|im_end|>", "<bos>", "<unk>", "<pad>",
        "<start_of_turn>",   "<end_of_turn>"};
    static const char *const text[] = {"a", "{", "\"", "\xE2\x96\x81", "<0x0A>"};
    size_t found = 0;
    bool gemma = !strcmp(cso_tokenizer_kind(tokenizer), "gemma"); /* Qwen2.5 has a word "<unk>" */
    for (size_t i = 0; i < sizeof not_text / sizeof not_text[0]; i++) {
        int32_t id = gemma || not_text[i][1] == '|' ? cso_tokenizer_find(tokenizer, not_text[i]) : -1;
        assert_false(cso_tokenizer_is_text(tokenizer, id));
        found += id >= 0;
    }
    assert_true(found >= 2);
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        int32_t id = cso_tokenizer_find(tokenizer, text[i]);
        assert_int_equal(cso_tokenizer_is_text(tokenizer, id), id >= 0);
    }
    assert_false(cso_tokenizer_is_text(tokenizer, (int32_t)cso_tokenizer_vocab(tokenizer)));
}

static void small_models(void **state) {
    (void)state;
    static const char *const models[][2] = {
        {"llama-tiny", "<|eot_id|>"}, {"qwen2-tiny", "<|im_end|>"}, {"gemma2-tiny", "<end_of_turn>"}};
    for (uint32_t i = 0; i < 3; i++) {
        char path[512];
        cso_error error = {0};
        cso_tokenizer *tokenizer = NULL;
        snprintf(path, sizeof path, "%s/golden/models/%s", CSO_TEST_DATA, models[i][0]);
        if (cso_tokenizer_open(&tokenizer, path, &error) != CSO_OK)
            fail_msg("%s", error.message);
        check_text_tokens(tokenizer);
        check_schemas(tokenizer, models[i][1], 100, 5 + i);
        cso_tokenizer_free(tokenizer);
    }
}

static void real_vocabularies(void **state) {
    (void)state;
    static const char *const names[][2] = {{"llama3", "<|eot_id|>"}, {"qwen2.5", "<|im_end|>"}, {"gemma2", "<end_of_turn>"}};
    for (uint32_t i = 0; i < 3; i++) {
        char path[512];
        cso_error error = {0};
        cso_tokenizer *tokenizer = NULL;
        snprintf(path, sizeof path, "%s/data/tokenizers/%s", CSO_SHARED_DATA, names[i][0]);
        if (!cso_path_exists(path)) {
            print_message("%s is not there\n", path);
            skip();
        }
        if (cso_tokenizer_open(&tokenizer, path, &error) != CSO_OK)
            fail_msg("%s", error.message);
        check_text_tokens(tokenizer);
        check_schemas(tokenizer, names[i][1], 60, 50 + i);
        cso_tokenizer_free(tokenizer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_up_vocabularies),
        cmocka_unit_test(small_models),
        cmocka_unit_test(real_vocabularies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
