/* test_constraint.c - choices, free text before them, where replies may end, dead ends, and what is refused. */
#include "../faults.h"
#include "constraint_fixture.h"

#include "base/utf8.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct vocabulary {
    cso_tokenizer *tokenizer;
    cso_token_trie *trie;
    int32_t end;
} vocabulary;

static vocabulary open_vocabulary(const char *without, size_t n_random) {
    vocabulary v = {.tokenizer = fixture_tokenizer((const uint8_t *)without, n_random, 7)};
    v.trie = fixture_trie(v.tokenizer, "<|end|>");
    v.end = cso_tokenizer_find(v.tokenizer, "<|end|>");
    return v;
}

static void close_vocabulary(vocabulary *v) {
    cso_token_trie_free(v->trie);
    cso_tokenizer_free(v->tokenizer);
}

static walked_reply walk(const vocabulary *v, const cso_constraint *c, uint32_t *seed) {
    return fixture_walk(v->tokenizer, v->trie, c, v->end, 60, seed);
}

/* Whether the id of this token may come next; fails if the vocabulary does not have it. */
static bool allows(const vocabulary *v, const cso_constraint *c, const cso_constraint_state *state, const char *token) {
    int32_t id = cso_tokenizer_find(v->tokenizer, token);
    uint64_t mask[64] = {0};
    cso_error error = {0};
    assert_true(id >= 0 && cso_token_trie_words(v->trie) <= 64);
    assert_int_equal(cso_constraint_mask(c, state, mask, &error), CSO_OK);
    return mask[id / 64] >> id % 64 & 1;
}

static void feed(const vocabulary *v, const cso_constraint *c, cso_constraint_state *state, const char *token) {
    int32_t id = cso_tokenizer_find(v->tokenizer, token);
    assert_true(id >= 0);
    assert_true(cso_constraint_advance(c, state, id));
}

static const char *const STRATEGIES[] = {"Question",  "Sympathy",          "Sympathize",
                                         "Questions", "\xC3\xA9t\xC3\xA9", "Restatement or Paraphrasing"};
enum { N_STRATEGIES = 6 };

static void choices_end_where_they_may(void **state) {
    (void)state;
    vocabulary v = open_vocabulary("", 100);
    cso_constraint *c = fixture_choice(v.trie, STRATEGIES, N_STRATEGIES, NULL);
    cso_constraint_state s = cso_constraint_start(c);
    assert_true(allows(&v, c, &s, "Sympathy") && allows(&v, c, &s, "Symp") && allows(&v, c, &s, "S"));
    assert_false(allows(&v, c, &s, "abc") || allows(&v, c, &s, "<|end|>") || allows(&v, c, &s, "athize"));
    feed(&v, c, &s, "Question");
    assert_true(cso_constraint_complete(c, &s) && !cso_constraint_ends(c, &s)); /* Questions begins with it */
    assert_true(allows(&v, c, &s, "<|end|>") && allows(&v, c, &s, "s"));
    assert_false(allows(&v, c, &s, "s\""));
    feed(&v, c, &s, "s");
    assert_true(cso_constraint_complete(c, &s) && cso_constraint_ends(c, &s));
    assert_true(allows(&v, c, &s, "<|end|>"));
    uint64_t mask[64] = {0}, count = 0;
    assert_int_equal(cso_constraint_mask(c, &s, mask, NULL), CSO_OK);
    for (size_t i = 0; i < 64; i++)
        count += (uint64_t)__builtin_popcountll(mask[i]);
    assert_int_equal(count, 1);
    cso_constraint_state same = s;
    assert_false(cso_constraint_advance(c, &s, cso_tokenizer_find(v.tokenizer, "a")));
    assert_false(cso_constraint_advance(c, &s, -1) || cso_constraint_advance(c, &s, INT32_MAX));
    assert_memory_equal(&s, &same, offsetof(cso_constraint_state, levels));
    cso_constraint_free(c);
    close_vocabulary(&v);
}

static void all_choices_come(void **state) {
    (void)state;
    vocabulary v = open_vocabulary("", 100);
    cso_constraint *c = fixture_choice(v.trie, STRATEGIES, N_STRATEGIES, NULL);
    size_t seen[N_STRATEGIES] = {0};
    uint32_t seed = 3;
    for (int i = 0; i < 400; i++) {
        walked_reply reply = walk(&v, c, &seed);
        size_t which = 0;
        while (which < N_STRATEGIES && strcmp(reply.text, STRATEGIES[which]))
            which++;
        assert_true(which < N_STRATEGIES);
        seen[which]++;
        walked_reply_free(&reply);
    }
    for (size_t i = 0; i < N_STRATEGIES; i++)
        assert_true(seen[i] > 0);
    cso_constraint_free(c);
    close_vocabulary(&v);
}

/* Of random replies with free text: UTF-8, the mark once and after at most max_bytes, then a choice. */
static void check_free(const vocabulary *v, const cso_free_text *free_text, uint32_t seed) {
    static const char *const texts[] = {"a", "a##b", "{", "\xE2\x82\xAC"};
    cso_constraint *c = fixture_choice(v->trie, texts, 4, free_text);
    for (int i = 0; i < 120; i++) {
        walked_reply reply = fixture_walk(v->tokenizer, v->trie, c, v->end, 100000, &seed);
        const char *mark = strstr(reply.text, free_text->mark);
        assert_int_equal(strlen(reply.text), reply.size);
        assert_non_null(mark);
        assert_true(cso_utf8_check(reply.text, reply.size, NULL));
        if (free_text->max_bytes)
            assert_true((size_t)(mark - reply.text) <= free_text->max_bytes);
        const char *rest = mark + strlen(free_text->mark);
        size_t which = 0;
        while (which < 4 && strcmp(rest, texts[which]))
            which++;
        assert_true(which < 4);
        walked_reply_free(&reply);
    }
    cso_constraint_free(c);
}

static void free_text_then_choice(void **state) {
    (void)state;
    static const char *const without[] = {"", "\x9F"};
    static const char *const marks[] = {"##", "#a#a##", "\xE2\x82\xAC", "a\n"};
    for (size_t i = 0; i < 2; i++) {
        vocabulary v = open_vocabulary(without[i], 100);
        for (size_t k = 0; k < 4; k++)
            for (size_t most = 0; most < 4; most++) {
                check_free(&v, &(cso_free_text){marks[k], .max_bytes = 1 + most * 7}, 11 + (uint32_t)most);
                check_free(&v, &(cso_free_text){marks[k], .max_tokens = 1 + most * 7}, 23 + (uint32_t)most);
                check_free(&v, &(cso_free_text){marks[k], .max_bytes = 9, .max_tokens = 1 + most}, 31 + (uint32_t)most);
            }
        close_vocabulary(&v);
    }
}

static void tokens_cross_the_mark(void **state) {
    (void)state;
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"b\":{\"const\":1}},\"required\":[\"b\"]}";
    vocabulary v = open_vocabulary("", 100);
    cso_constraint *c = fixture_of_schema(v.trie, schema, &(cso_free_text){.mark = "a#", .max_tokens = 5});
    cso_constraint_state s = cso_constraint_start(c);
    assert_true(allows(&v, c, &s, "a#{") && allows(&v, c, &s, "#{\"") && allows(&v, c, &s, "a##") == false);
    assert_false(allows(&v, c, &s, "<|end|>"));
    cso_constraint_state other = s;
    feed(&v, c, &s, "a#{"); /* the mark, and what comes behind it */
    assert_true(allows(&v, c, &s, "\"") && !allows(&v, c, &s, "a"));
    feed(&v, c, &other, "a");
    assert_true(allows(&v, c, &other, "#{\"") && !allows(&v, c, &other, "#a"));
    feed(&v, c, &other, "#{\"");
    feed(&v, c, &other, "b\":1");
    assert_false(cso_constraint_complete(c, &other));
    feed(&v, c, &other, "}");
    assert_true(cso_constraint_ends(c, &other));
    other = cso_constraint_start(c);
    for (int i = 0; i < 5; i++) /* then the mark is forced */
        feed(&v, c, &other, "b");
    assert_true(allows(&v, c, &other, "a") && allows(&v, c, &other, "a#{"));
    assert_false(allows(&v, c, &other, "b") || allows(&v, c, &other, "abc"));
    cso_constraint_free(c);
    close_vocabulary(&v);
}

/* Feeds ASCII byte by byte; how many bytes were taken. */
static size_t feed_bytes(const vocabulary *v, const cso_constraint *c, cso_constraint_state *state, const char *text) {
    for (size_t i = 0; text[i]; i++)
        if (!cso_constraint_advance(c, state, cso_tokenizer_find(v->tokenizer, (const char[]){text[i], 0})))
            return i;
    return strlen(text);
}

static void marks_begin_in_themselves(void **state) {
    (void)state;
    static const char *const texts[] = {"b"};
    vocabulary v = open_vocabulary("", 0);
    cso_constraint *c = fixture_choice(v.trie, texts, 1, &(cso_free_text){.mark = "#a#a##"});
    for (const char *const *text = (const char *const[]){"#a#a#a##b", "#a#a##b", "##a#a#a##b", "#a#a#a#a##b", "#a##a#a##b", NULL};
         *text; text++) {
        cso_constraint_state s = cso_constraint_start(c);
        assert_int_equal(feed_bytes(&v, c, &s, *text), strlen(*text));
        assert_true(cso_constraint_ends(c, &s));
    }
    cso_constraint_free(c);
    close_vocabulary(&v);
}

static void escapes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t taken;
    } cases[] = {
        {"\"\\u0001\"", 8},
        {"\"\\u0000", 6},
        {"\"\\u00E9\"", 8},
        {"\"\\uD83D\\uDE00\"", 14},
        {"\"\\ud83d\"", 7},
        {"\"\\ud83d\\n", 8},
        {"\"\\uD83D\\uE000", 9},
        {"\"\\uD83D\\uDB00", 10},
        {"\"\\uDC00", 4},
        {"\"\\uDbff\\uDfff\"", 14},
        {"\"\\x", 2},
        {"\"\\u00g", 5},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 18},
        {"\"\n", 1},
    };
    vocabulary v = open_vocabulary("", 0);
    cso_constraint *c = fixture_of_schema(v.trie, "{\"type\":\"string\"}", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cso_constraint_state s = cso_constraint_start(c);
        assert_int_equal(feed_bytes(&v, c, &s, cases[i].text), cases[i].taken);
        assert_int_equal(cso_constraint_ends(c, &s), cases[i].taken == strlen(cases[i].text));
    }
    cso_constraint_free(c);
    close_vocabulary(&v);
}

static void special_tokens_never_come(void **state) {
    (void)state;
    vocabulary v = open_vocabulary("", 0);
    cso_token_trie *trie = NULL;
    assert_int_equal(cso_token_trie_create(&trie, v.tokenizer, NULL, 0, NULL), CSO_OK); /* no id ends a reply */
    cso_constraint *c = fixture_of_schema(trie, "{\"type\":\"string\"}", &(cso_free_text){.mark = "#"});
    cso_constraint_state s = cso_constraint_start(c);
    uint64_t mask[64] = {0};
    for (const char *const *token = (const char *const[]){"a", "#", "\"", "a", "\"", NULL};; token++) {
        assert_int_equal(cso_constraint_mask(c, &s, mask, NULL), CSO_OK);
        assert_false(mask[v.end / 64] >> v.end % 64 & 1);
        assert_false(cso_constraint_advance(c, &s, v.end));
        if (!*token)
            break;
        feed(&v, c, &s, *token);
    }
    assert_true(cso_constraint_ends(c, &s));
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(mask[i], 0);
    cso_constraint_free(c);
    cso_token_trie_free(trie);
    close_vocabulary(&v);
}

/* States that were met, to go through all of them. */
typedef struct state_set {
    cso_constraint_state *states; /* (count) */
    size_t count, capacity;
    uint32_t *slots; /* (SLOTS) index + 1 */
} state_set;
enum { SLOTS = 1 << 17, MOST_STATES = 1 << 16 };

static void add_state(state_set *set, const cso_constraint_state *state) {
    size_t size = offsetof(cso_constraint_state, levels) + state->depth * sizeof state->levels[0];
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)state)[i]) * 16777619u;
    for (uint32_t slot = hash;; slot++) {
        uint32_t *at = &set->slots[slot % SLOTS];
        if (*at && !memcmp(&set->states[*at - 1], state, size))
            return;
        if (*at)
            continue;
        assert_true(set->count < MOST_STATES);
        set->states[set->count++] = *state;
        *at = (uint32_t)set->count;
        return;
    }
}

/* Goes through every state that masks lead to: each has an id, and each id of a mask can be taken. */
static size_t all_states(const vocabulary *v, const cso_constraint *c) {
    state_set set = {.states = malloc(MOST_STATES * sizeof *set.states), .slots = calloc(SLOTS, sizeof *set.slots)};
    uint64_t mask[64] = {0};
    cso_constraint_state start = cso_constraint_start(c);
    add_state(&set, &start);
    for (size_t i = 0; i < set.count; i++) {
        size_t ids = 0;
        assert_int_equal(cso_constraint_mask(c, &set.states[i], mask, NULL), CSO_OK);
        for (size_t id = 0; id < cso_tokenizer_vocab(v->tokenizer); id++)
            if (mask[id / 64] >> id % 64 & 1) {
                cso_constraint_state next = set.states[i];
                assert_true(cso_constraint_advance(c, &next, (int32_t)id));
                add_state(&set, &next);
                ids++;
            }
        assert_true(ids > 0);
    }
    size_t count = set.count;
    free(set.states);
    free(set.slots);
    return count;
}

static void there_are_no_dead_ends(void **state) {
    (void)state;
    static const char *const schemas[] = {
        "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
        "{\"type\":[\"number\",\"null\"]}",
        "{\"type\":\"integer\",\"minimum\":-105,\"maximum\":1200}",
        "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":4},\"minItems\":2,\"maxItems\":4}",
        ("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":12},"
         "\"ab\":{\"enum\":[1,10,\"1\",null]},\"b\":{\"type\":\"array\",\"maxItems\":1,\"items\":{\"type\":\"boolean\"}},"
         "\"abc\":{\"type\":\"object\",\"properties\":{}}},\"required\":[\"ab\"]}"),
        ("{\"anyOf\":[{\"type\":\"string\",\"maxLength\":1},"
         "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}}},{\"const\":[1]}]}"),
    };
    static const char *const without[] = {
        "", "\x9F\xE2\xC3", "\x80", "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x8B\x8C\x8D\x8E\x8F" /* nothing can follow F4 */
    };
    for (size_t i = 0; i < 4; i++) {
        vocabulary v = open_vocabulary(without[i], 200);
        for (size_t k = 0; k < sizeof schemas / sizeof schemas[0]; k++) {
            cso_constraint *c = fixture_of_schema(v.trie, schemas[k], NULL);
            assert_true(all_states(&v, c) > 5);
            cso_constraint_free(c);
            c = fixture_of_schema(v.trie, schemas[k], &(cso_free_text){"#a##", .max_bytes = 5, .max_tokens = 3});
            assert_true(all_states(&v, c) > 20);
            cso_constraint_free(c);
        }
        close_vocabulary(&v);
    }
}

/* More states than masks are kept: those that replace others are right, and so are those that come again. */
static void masks_are_replaced(void **state) {
    (void)state;
    enum { TEXTS = 9000, DIGITS = 12 };
    vocabulary v = open_vocabulary("", 0);
    char(*texts)[DIGITS + 1] = calloc(TEXTS, sizeof *texts);
    const char **list = calloc(TEXTS, sizeof *list);
    uint32_t seed = 1;
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t k = 0; k < DIGITS; k++)
            texts[i][k] = (char)('0' + fixture_below(&seed, 10));
        list[i] = texts[i];
    }
    cso_constraint *c = fixture_choice(v.trie, list, TEXTS, NULL);
    for (size_t i = 0; i < TEXTS + 1000; i++) {
        cso_constraint_state s = cso_constraint_start(c);
        for (const char *digit = texts[i % TEXTS]; *digit; digit++) {
            uint64_t mask[64] = {0};
            assert_int_equal(cso_constraint_mask(c, &s, mask, NULL), CSO_OK);
            for (char other = '0'; other <= '9'; other++) {
                int32_t id = cso_tokenizer_find(v.tokenizer, (const char[]){other, 0});
                cso_constraint_state next = s;
                assert_int_equal(mask[id / 64] >> id % 64 & 1, cso_constraint_advance(c, &next, id));
            }
            feed(&v, c, &s, (const char[]){*digit, 0});
        }
        assert_true(cso_constraint_ends(c, &s));
    }
    cso_constraint_free(c);
    free(list);
    free(texts);
    close_vocabulary(&v);
}

/* A thread's work: replies of one constraint, hashed. */
typedef struct worker {
    const vocabulary *v;
    const cso_constraint *c;
    uint32_t seed, hash;
} worker;

static void *work(void *context) {
    worker *w = context;
    w->hash = 0;
    for (int reply = 0; reply < 20; reply++) {
        cso_constraint_state s = cso_constraint_start(w->c);
        for (int step = 0; step < 60 && !cso_constraint_ends(w->c, &s); step++) {
            uint64_t mask[64] = {0};
            if (cso_constraint_mask(w->c, &s, mask, NULL) != CSO_OK)
                return NULL;
            uint32_t vocab = (uint32_t)cso_tokenizer_vocab(w->v->tokenizer), id = fixture_below(&w->seed, vocab);
            while (!(mask[id / 64] >> id % 64 & 1))
                id = (id + 1) % vocab;
            w->hash = (w->hash ^ id) * 16777619u;
            if (!cso_constraint_advance(w->c, &s, (int32_t)id))
                return NULL;
        }
    }
    return w;
}

static void threads_share_a_constraint(void **state) {
    (void)state;
    enum { THREADS = 4 };
    static const char schema[] = "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"number\"],\"maxLength\":9}}";
    vocabulary v = open_vocabulary("", 100);
    cso_constraint *shared = fixture_of_schema(v.trie, schema, NULL);
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){&v, shared, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *done = NULL;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_non_null(done);
        cso_constraint *own = fixture_of_schema(v.trie, schema, NULL);
        worker alone = {&v, own, i, 0};
        assert_non_null(work(&alone));
        assert_int_equal(alone.hash, workers[i].hash);
        cso_constraint_free(own);
    }
    cso_constraint_free(shared);
    close_vocabulary(&v);
}

static void allocations_fail(void **state) {
    (void)state;
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"array\",\"items\":{\"enum\":[1,"
        "\"x\"]}},{\"type\":[\"null\",\"string\"]}]}}}";
    vocabulary v = open_vocabulary("", 10);
    bool failed = true;
    for (size_t at = 1; failed; at++) {
        cso_token_trie *trie = NULL;
        cso_constraint *c = NULL, *choice = NULL;
        uint64_t mask[64];
        cso_error error = {0};
        fault_memory_begin(at, false);
        cso_status status = cso_token_trie_create(&trie, v.tokenizer, &v.end, 1, &error);
        if (status == CSO_OK)
            status = cso_constraint_schema(&c, trie, schema, strlen(schema), "schema", &(cso_free_text){.mark = "#"}, &error);
        if (status == CSO_OK)
            status = cso_constraint_choice(&choice, trie, STRATEGIES, N_STRATEGIES, NULL, &error);
        if (status == CSO_OK) {
            cso_constraint_state s = cso_constraint_start(c);
            status = cso_constraint_mask(c, &s, mask, &error);
        }
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        cso_constraint_free(c);
        cso_constraint_free(choice);
        cso_token_trie_free(trie);
    }
    close_vocabulary(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_end_where_they_may),
        cmocka_unit_test(all_choices_come),
        cmocka_unit_test(free_text_then_choice),
        cmocka_unit_test(tokens_cross_the_mark),
        cmocka_unit_test(special_tokens_never_come),
        cmocka_unit_test(there_are_no_dead_ends),
        cmocka_unit_test(allocations_fail),
        cmocka_unit_test(marks_begin_in_themselves),
        cmocka_unit_test(escapes),
        cmocka_unit_test(masks_are_replaced),
        cmocka_unit_test(threads_share_a_constraint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
