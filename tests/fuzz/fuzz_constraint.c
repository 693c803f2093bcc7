/* fuzz_constraint.c - constraints from any schema or texts: a reply picked from the masks never gets stuck, can advance by exactly
 * the ids of the mask, and satisfies the constraint where it may end.
 *
 * The first line is "schema" or "choice", then what comes before it: "MARK MAX_BYTES MAX_TOKENS", or nothing. The second line is
 * the seed of the reply. The rest is the schema, or the texts, one a line.
 */
#include "../decode/constraint_fixture.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

enum { WORDS = 16, MOST_TEXTS = 64, PATIENCE = 60, MOST_STEPS = 400, LONGEST_REPLY = MOST_STEPS * 32 };

static cso_tokenizer *tokenizer;
static cso_token_trie *trie;
static int32_t end_id;

static void open_vocabulary(void) {
    if (tokenizer)
        return;
    tokenizer = fixture_tokenizer(NULL, 200, 5);
    end_id = cso_tokenizer_find(tokenizer, "<|end|>");
    REQUIRE(cso_token_trie_create(&trie, tokenizer, &end_id, 1, NULL) == CSO_OK);
    REQUIRE(cso_token_trie_words(trie) <= WORDS);
}

static bool in_mask(const uint64_t *mask, int32_t id) {
    return mask[id / 64] >> id % 64 & 1;
}

/* An id of the mask; patience is over: one that ends something, if there is one. */
static int32_t pick(const uint64_t *mask, bool over, uint32_t *seed) {
    static const char *const closing[] = {"<|end|>", "\"", "}", "]", "0", "a"};
    uint32_t vocab = (uint32_t)cso_tokenizer_vocab(tokenizer), first = fixture_below(seed, vocab);
    for (size_t i = 0; over && i < 6; i++)
        if (in_mask(mask, cso_tokenizer_find(tokenizer, closing[i])))
            return cso_tokenizer_find(tokenizer, closing[i]);
    for (uint32_t i = 0; i < vocab; i++)
        if (in_mask(mask, (int32_t)((first + i) % vocab)))
            return (int32_t)((first + i) % vocab);
    return -1;
}

/* Makes a reply; its length, or -1 if it is not finished after many tokens. */
static int make_reply(const cso_constraint *c, uint32_t seed, char *text) {
    uint64_t mask[WORDS] = {0};
    size_t length = 0;
    cso_constraint_state state = cso_constraint_start(c);
    for (int step = 0; step < MOST_STEPS; step++) {
        REQUIRE(cso_constraint_mask(c, &state, mask, NULL) == CSO_OK);
        for (int i = 0; i < 8; i++) {
            cso_constraint_state next = state;
            int32_t id = (int32_t)fixture_below(&seed, (uint32_t)cso_tokenizer_vocab(tokenizer));
            REQUIRE(cso_constraint_advance(c, &next, id) == in_mask(mask, id));
        }
        int32_t id = pick(mask, step > PATIENCE, &seed);
        REQUIRE(id >= 0 && cso_constraint_advance(c, &state, id));
        REQUIRE(in_mask(mask, end_id) == cso_constraint_complete(c, &state) || id != end_id);
        if (id == end_id)
            return (int)length;
        char *bytes = NULL;
        size_t count = 0;
        REQUIRE(cso_tokenizer_decode_bytes(tokenizer, &id, 1, &bytes, &count, NULL) == CSO_OK);
        REQUIRE(length + count < LONGEST_REPLY);
        memcpy(text + length, bytes, count + 1);
        length += count;
        free(bytes);
    }
    return -1;
}

/* Past the free text, if there is any. */
static const char *skip_free(const char *text, size_t length, const cso_free_text *free_text) {
    if (!free_text)
        return text;
    REQUIRE(!memchr(text, 0, length));
    const char *mark = strstr(text, free_text->mark);
    REQUIRE(mark && (!free_text->max_bytes || (size_t)(mark - text) <= free_text->max_bytes));
    return mark + strlen(free_text->mark);
}

static void check_schema(const char *schema, uint32_t seed, const cso_free_text *free_text) {
    char reply[LONGEST_REPLY] = "";
    cso_constraint *c = NULL;
    cso_error err = {0};
    cJSON *read = NULL, *value = NULL;
    if (cso_constraint_schema(&c, trie, schema, strlen(schema), "fuzz", free_text, &err) != CSO_OK) {
        REQUIRE(err.status == CSO_ERR_INPUT && err.message[0] && !strchr(err.message, '\n') && !c);
        return;
    }
    int length = make_reply(c, seed, reply);
    if (length >= 0) {
        const char *text = skip_free(reply, (size_t)length, free_text);
        REQUIRE(cso_json_parse(&value, text, (size_t)(reply + length - text), "reply", 1, NULL) == CSO_OK);
        REQUIRE(cso_json_parse(&read, schema, strlen(schema), "schema", 1, NULL) == CSO_OK);
        REQUIRE(!fixture_invalid(read, value));
    }
    cJSON_Delete(value);
    cJSON_Delete(read);
    cso_constraint_free(c);
}

static void check_choice(char *texts, uint32_t seed, const cso_free_text *free_text) {
    char reply[LONGEST_REPLY] = "";
    const char *list[MOST_TEXTS];
    size_t count = 0;
    cso_constraint *c = NULL;
    cso_error err = {0};
    for (char *line = texts; line && count < MOST_TEXTS;) {
        list[count++] = line;
        line = strchr(line, '\n');
        if (line)
            *line++ = '\0';
    }
    if (cso_constraint_choice(&c, trie, list, count, free_text, &err) != CSO_OK) {
        REQUIRE(err.status == CSO_ERR_INPUT && err.message[0] && !strchr(err.message, '\n') && !c);
        return;
    }
    int length = make_reply(c, seed, reply);
    if (length >= 0) {
        const char *text = skip_free(reply, (size_t)length, free_text);
        size_t which = 0;
        while (which < count && strcmp(list[which], text))
            which++;
        REQUIRE(which < count);
    }
    cso_constraint_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    open_vocabulary();
    char *text = calloc(size + 1, 1), mark[64] = "";
    REQUIRE(text);
    if (size)
        memcpy(text, data, size);
    char *seed = strchr(text, '\n'), *rest = seed ? strchr(seed + 1, '\n') : NULL;
    if (rest) {
        unsigned max_bytes = 0, max_tokens = 0;
        *seed++ = *rest++ = '\0';
        bool is_free = sscanf(text, "%*s %60s %5u %5u", mark, &max_bytes, &max_tokens) >= 1;
        const cso_free_text free_text = {.mark = mark, .max_bytes = max_bytes, .max_tokens = max_tokens};
        uint32_t number = (uint32_t)strtoul(seed, NULL, 10);
        if (!strncmp(text, "choice", 6))
            check_choice(rest, number, is_free ? &free_text : NULL);
        else
            check_schema(rest, number, is_free ? &free_text : NULL);
    }
    free(text);
    return 0;
}
