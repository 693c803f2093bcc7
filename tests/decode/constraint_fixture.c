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

/* The mask against the automaton itself: for every id of a small vocabulary, and at times of a large one, else for some. */
static void check_mask(const cso_constraint *c, const cso_constraint_state *state, const uint64_t *mask, size_t vocab,
                       uint32_t *seed) {
    bool all = vocab < 2000 || !fixture_below(seed, 20);
    size_t tries = all ? vocab : 64;
    for (size_t i = 0; i < tries; i++) {
        size_t id = all ? i : fixture_below(seed, (uint32_t)vocab);
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
