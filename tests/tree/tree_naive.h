/* tree_naive.h - an independent, slow model of a token tree: a set of prefixes. */
#ifndef TREE_NAIVE_H
#define TREE_NAIVE_H

#include "tree/tree.h"

/* Whether sequence s counts at t. */
bool naive_scored(const cso_sequence *s, size_t t);
/* Tokens of s that are laid out: those before its last scored one. */
size_t naive_laid(const cso_sequence *s);
/* The number of distinct (group, non-empty prefix) among the laid-out parts. */
size_t naive_tokens(const cso_sequence *sequences, size_t count);
/* The number of distinct (group, prefix, scored token). */
size_t naive_edges(const cso_sequence *sequences, size_t count);
/* The number of distinct (group, prefix) that a scored token follows. */
size_t naive_nodes(const cso_sequence *sequences, size_t count);
/* The number of distinct runs without a fork. */
size_t naive_segments(const cso_sequence *sequences, size_t count);

/* Random sequences over a small alphabet, with shared beginnings; storage is one block, freed by random_set_free. */
typedef struct random_set {
    cso_sequence *sequences;
    size_t count;
    int32_t *ids;
    uint8_t *scored;
} random_set;
uint32_t random_next(uint64_t *state);
void random_set_make(random_set *set, uint64_t *state, size_t max_count, size_t max_length);
void random_set_free(random_set *set);

#endif
