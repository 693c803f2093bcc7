/* tree_keys.h - sequences as sortable strings of tokens; internal to src/tree. */
#ifndef CSO_TREE_KEYS_H
#define CSO_TREE_KEYS_H

#include "tree.h"

/* A sequence up to its last scored token. The tokens before that one are laid out; the last one is only an edge's target
 * (unless another sequence lays it out). */
typedef struct cso_tree_key {
    const int32_t *ids;
    size_t laid;  /* tokens to lay out; ids[laid] is the last scored token. 0: nothing is scored */
    size_t group; /* prefixes are shared within a group only */
    size_t index; /* of the sequence */
} cso_tree_key;

/* Tokens of a key: those laid out and the last target. */
static inline size_t cso_tree_key_length(const cso_tree_key *key) {
    return key->laid ? key->laid + 1 : 0;
}

static inline bool cso_sequence_scores(const cso_sequence *sequence, size_t t) {
    return sequence->scored ? sequence->scored[t] != 0 : t >= (sequence->score_start ? sequence->score_start : 1);
}

/* Fills *key, after checking the sequence. */
cso_status cso_tree_key_make(cso_tree_key *key, const cso_sequence *sequence, size_t index, cso_error *err);

/* Number of equal tokens at the beginning, looking at no more than limit. 0 for different groups. */
size_t cso_tree_key_common(const cso_tree_key *a, const cso_tree_key *b, size_t limit);

#endif
