/* constraint_fixture.h - made-up vocabularies, random schemas, and replies that are made from masks at random. */
#ifndef CSO_TESTS_CONSTRAINT_FIXTURE_H
#define CSO_TESTS_CONSTRAINT_FIXTURE_H

#include "decode/constraint.h"
#include "io/json.h"

/* A byte-level tokenizer of all single bytes but those in `without` (0 after them), of tokens that cross what JSON is made of, and
 * of n_random tokens by a seed. "<|end|>" is special, and ends replies. */
cso_tokenizer *fixture_tokenizer(const uint8_t *without, size_t n_random, uint32_t seed);
/* The trie of a tokenizer whose replies end with this token. */
cso_token_trie *fixture_trie(const cso_tokenizer *tokenizer, const char *end);

/* A random number below n > 0. */
uint32_t fixture_below(uint32_t *seed, uint32_t n);

/* A random schema of what constraint.h supports, at most `depth` levels deep. */
cJSON *fixture_schema(uint32_t *seed, int depth);
/* NULL if the value is of the schema, else what is wrong. */
const char *fixture_invalid(const cJSON *schema, const cJSON *value);

/* A reply: random ids of masks. It checks at each step that there is one, that a sample of ids is in the mask exactly where the
 * state can advance by them, and that the reply may end exactly where it is complete. After `patience` tokens it takes what ends
 * the reply soonest. */
typedef struct walked_reply {
    int32_t *ids;
    size_t count, capacity;
    char *text; /* zero-terminated, by the tokenizer */
    size_t size;
} walked_reply;
walked_reply fixture_walk(const cso_tokenizer *tokenizer, const cso_token_trie *trie, const cso_constraint *constraint, int32_t end,
                          size_t patience, uint32_t *seed);
void walked_reply_free(walked_reply *reply);

/* Makes a constraint or fails the test. */
cso_constraint *fixture_choice(const cso_token_trie *trie, const char *const *texts, size_t count, const cso_free_text *free_text);
cso_constraint *fixture_of_schema(const cso_token_trie *trie, const char *schema, const cso_free_text *free_text);

#endif
