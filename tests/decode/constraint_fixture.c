/* constraint_fixture.c - vocabularies and replies for the tests of constraints. */
#include "constraint_fixture.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint32_t fixture_below(uint32_t *seed, uint32_t n) {
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*seed * n) >> 32);
}

/* Tokens that begin in one part of JSON and end in another, or inside a character or an escape. */
static const char *const CROSSING[] = {
    "\",\"",      "\", \"",   "\":",       "\": \"",   "\":\"",    "{\"",        "\"}",          "},{\"",  "}, {",     "]}",
    "],",         "[[",       "[]",        "{}",       "[{\"",     "\"],\"",     "\\\"",         "\\n",    "\\u",      "\\u00",
    "\\ud83d\\u", "\\ude00",  "D83D",      "00",       "12",       "-1",         "1.",           "0.5",    "e-",       ", ",
    ",  ",        ": ",       "  ",        "\n",       "true",     "fal",        "se,",          "null",   "nu",       "ll}",
    "abc",        "the",      " a",        "\xC3\xA9", "\xE2\x82", "\x82\xAC\"", "\xF0\x9F\x98", "\x80\"", "\x80\xC3", "\xED\xA0",
    "\xC0\x80",   "##",       "#a",        "a##",      "#\"",      "#{\"",       "a#{",          "Sym",    "Sympathy", "Symp",
    "athize",     "Question", " Question", "s\"",      "b\":1",
};
enum { N_CROSSING = sizeof CROSSING / sizeof CROSSING[0] };

/* Adds a byte as GPT-2 writes it: printable Latin-1 as it is, others from U+0100 on. */
static void add_byte(cso_text *text, uint8_t byte) {
    unsigned point = byte, others = 0;
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    for (unsigned b = 0; b < byte; b++)
        others += !((b >= 33 && b <= 126) || (b >= 161 && b != 173));
    if (!printable)
        point = 256 + others;
    if (point == '"' || point == '\\')
        cso_text_format(text, "\\%c", (int)point);
    else if (point < 128)
        cso_text_format(text, "%c", (int)point);
    else
        cso_text_format(text, "%c%c", (int)(0xC0 | point >> 6), (int)(0x80 | (point & 63)));
}

static bool add_token(cso_text *vocab, cso_text *all, const char *bytes, size_t size, size_t id) {
    cso_text name = {0};
    cso_text_add(&name, "\"", 1);
    for (size_t i = 0; i < size; i++)
        add_byte(&name, (uint8_t)bytes[i]);
    cso_text_add(&name, "\":", 2);
    bool is_new = !strstr(all->data, name.data);
    if (is_new) {
        cso_text_add(all, name.data, name.size);
        cso_text_format(vocab, "%s%.*s%zu", id ? "," : "", (int)name.size, name.data, id);
    }
    free(name.data);
    return is_new;
}

cso_tokenizer *fixture_tokenizer(const uint8_t *without, size_t n_random, uint32_t seed) {
    static const char letters[] = "{}[]\",:\\ -.0123456789eEabu#\n\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80t";
    cso_text vocab = {0}, all = {0};
    size_t id = 0;
    cso_text_add(&all, " ", 1);
    for (unsigned byte = 0; byte < 256; byte++)
        if (!byte || !without || !strchr((const char *)without, (int)byte))
            id += add_token(&vocab, &all, (const char[]){(char)byte}, 1, id);
    for (size_t i = 0; i < N_CROSSING; i++)
        id += add_token(&vocab, &all, CROSSING[i], strlen(CROSSING[i]), id);
    for (size_t i = 0; i < n_random; i++) {
        char bytes[6];
        size_t size = 2 + fixture_below(&seed, 5);
        for (size_t k = 0; k < size; k++)
            bytes[k] = letters[fixture_below(&seed, sizeof letters - 1)];
        id += add_token(&vocab, &all, bytes, size, id);
    }
    cso_text json = {0};
    cso_text_format(&json, "{\"added_tokens\":[{\"id\":%zu,\"content\":\"<|end|>\",\"special\":true,\"single_word\":false,", id);
    cso_text_format(&json, "\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],\"normalizer\":null,\"pre_tokenizer\":");
    cso_text_format(&json, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},");
    cso_text_format(&json,
                    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,");
    cso_text_format(&json, "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"vocab\":{");
    cso_text_add(&json, vocab.data, vocab.size);
    cso_text_format(&json, "},\"merges\":[]}}");
    assert_false(json.failed || vocab.failed || all.failed);
    cso_tokenizer *tokenizer = NULL;
    cso_error error = {0};
    if (cso_tokenizer_from_memory(&tokenizer, "made-up.json", json.data, json.size, &error) != CSO_OK)
        fail_msg("%s", error.message);
    free(json.data);
    free(vocab.data);
    free(all.data);
    return tokenizer;
}

cso_token_trie *fixture_trie(const cso_tokenizer *tokenizer, const char *end) {
    cso_token_trie *trie = NULL;
    cso_error error = {0};
    const int32_t ends[] = {cso_tokenizer_find(tokenizer, end), -1};
    assert_true(ends[0] >= 0);
    if (cso_token_trie_create(&trie, tokenizer, ends, 2, &error) != CSO_OK)
        fail_msg("%s", error.message);
    return trie;
}

cso_constraint *fixture_choice(const cso_token_trie *trie, const char *const *texts, size_t count, const cso_free_text *free_text) {
    cso_constraint *constraint = NULL;
    cso_error error = {0};
    if (cso_constraint_choice(&constraint, trie, texts, count, free_text, &error) != CSO_OK)
        fail_msg("%s", error.message);
    return constraint;
}

cso_constraint *fixture_of_schema(const cso_token_trie *trie, const char *schema, const cso_free_text *free_text) {
    cso_constraint *constraint = NULL;
    cso_error error = {0};
    if (cso_constraint_schema(&constraint, trie, schema, strlen(schema), "schema", free_text, &error) != CSO_OK)
        fail_msg("%s\n%s", error.message, schema);
    return constraint;
}

static bool in_mask(const uint64_t *mask, size_t id) {
    return mask[id / 64] >> id % 64 & 1;
}

/* The mask against the automaton itself, for every id of a small vocabulary, else some. */
static void check_mask(const cso_constraint *c, const cso_constraint_state *state, const uint64_t *mask, size_t vocab,
                       uint32_t *seed) {
    size_t tries = vocab < 2000 ? vocab : 64;
    for (size_t i = 0; i < tries; i++) {
        size_t id = vocab < 2000 ? i : fixture_below(seed, (uint32_t)vocab);
        cso_constraint_state next = *state;
        if (cso_constraint_advance(c, &next, (int32_t)id) != in_mask(mask, id))
            fail_msg("id %zu is in the mask: %d (step %u part %u)", id, in_mask(mask, id), state->step, state->part);
    }
}

/* A random id of the mask, -1: it has none. */
static int32_t pick(const uint64_t *mask, size_t words, uint32_t *seed) {
    size_t total = 0;
    for (size_t w = 0; w < words; w++)
        total += (size_t)__builtin_popcountll(mask[w]);
    if (!total)
        return -1;
    size_t which = fixture_below(seed, (uint32_t)total);
    for (size_t w = 0;; w++) {
        size_t here = (size_t)__builtin_popcountll(mask[w]);
        if (which >= here) {
            which -= here;
            continue;
        }
        uint64_t word = mask[w];
        while (which--)
            word &= word - 1;
        return (int32_t)(w * 64 + (size_t)__builtin_ctzll(word));
    }
}

/* What ends a reply soonest: its end, or the end of a value. */
static int32_t pick_closing(const cso_tokenizer *tokenizer, const uint64_t *mask, int32_t end) {
    static const char *const closing[] = {"\"", "}", "]"};
    if (in_mask(mask, (size_t)end))
        return end;
    for (size_t i = 0; i < 3; i++) {
        int32_t id = cso_tokenizer_find(tokenizer, closing[i]);
        if (id >= 0 && in_mask(mask, (size_t)id))
            return id;
    }
    return -1;
}

walked_reply fixture_walk(const cso_tokenizer *tokenizer, const cso_token_trie *trie, const cso_constraint *constraint, int32_t end,
                          size_t patience, uint32_t *seed) {
    walked_reply reply = {0};
    cso_error error = {0};
    size_t words = cso_token_trie_words(trie);
    uint64_t *mask = calloc(words, sizeof *mask);
    cso_constraint_state state = cso_constraint_start(constraint);
    for (;;) {
        assert_int_equal(cso_constraint_mask(constraint, &state, mask, &error), CSO_OK);
        check_mask(constraint, &state, mask, cso_tokenizer_vocab(tokenizer), seed);
        assert_int_equal(in_mask(mask, (size_t)end), cso_constraint_complete(constraint, &state));
        int32_t id = reply.count >= patience ? pick_closing(tokenizer, mask, end) : -1;
        if (id < 0)
            id = pick(mask, words, seed);
        if (id < 0)
            fail_msg("dead end after %zu tokens (step %u part %u)", reply.count, state.step, state.part);
        assert_true(cso_constraint_advance(constraint, &state, id));
        if (id == end)
            break;
        assert_true(reply.count < patience + 20000);
        assert_true(cso_grow(&reply.ids, &reply.capacity, reply.count + 1, sizeof *reply.ids));
        reply.ids[reply.count++] = id;
    }
    free(mask);
    assert_int_equal(cso_tokenizer_decode_bytes(tokenizer, reply.ids, reply.count, &reply.text, &reply.size, &error), CSO_OK);
    return reply;
}

void walked_reply_free(walked_reply *reply) {
    free(reply->ids);
    free(reply->text);
    *reply = (walked_reply){0};
}
