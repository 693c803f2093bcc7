/* tree.h - the engine's one input: a forest of token sequences that share their prefixes.
 *
 * A radix tree of segments (runs of tokens without a fork), laid out in depth-first order in one flat token array. A
 * token's hidden state depends on its ancestors alone, so each distinct prefix is computed once. A scored edge is a
 * (node, next token) pair whose log-probability is wanted; the next token itself is in the tree only if something
 * follows it. See docs/design.md, "Everything is a token tree".
 */
#ifndef CSO_TREE_H
#define CSO_TREE_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Input: one token sequence with its scored positions. */
typedef struct cso_sequence {
    const int32_t *ids; /* (length) */
    size_t length;
    const uint8_t
        *scored;        /* (length): scored[t] != 0 if log p(ids[t] | ids[0..t)) is wanted; scored[0] must be 0. NULL: see below */
    size_t score_start; /* with scored NULL: every t >= max(1, score_start) is scored */
    const double *weights; /* (scored tokens) what each counts in the sequence's log-probability; NULL: 1 */
    size_t group;          /* prefixes are shared only within a group */
} cso_sequence;

typedef struct cso_segment {
    int32_t parent; /* index of the parent segment, always smaller; -1: a root */
    int32_t first;  /* flat index of its first token */
    int32_t length; /* > 0 */
    int32_t depth;  /* position (RoPE) of its first token: the number of tokens before it on its path */
} cso_segment;

typedef struct cso_tree {
    size_t n_tokens;
    int32_t *tokens;    /* (n_tokens) ids */
    int32_t *positions; /* (n_tokens) depth of each token */
    size_t n_segments;
    cso_segment *segments; /* (n_segments) in depth-first order */
    size_t max_depth;      /* longest path, in tokens */

    size_t n_nodes;      /* tokens with at least one scored edge */
    int32_t *node_token; /* (n_nodes) flat index, ascending */
    size_t n_edges;
    int32_t *edge_node;   /* (n_edges) index into node_token, ascending */
    int32_t *edge_target; /* (n_edges) token id that is scored */

    size_t n_sequences;
    size_t *sequence_first;   /* (n_sequences + 1): sequence s has the edges sequence_edges[sequence_first[s] ..
        * sequence_first[s+1]) */
    int32_t *sequence_edges;  /* in the order of the sequence's tokens */
    double *sequence_weights; /* what each of them counts in its sequence; NULL: 1 */

    size_t n_unshared_tokens; /* tokens of the same sequences without sharing, counted like n_tokens (without last tokens) */
    cso_arena memory;         /* of all arrays; empty if they are in the caller's arena */
} cso_tree;

/* Builds the forest of `count` sequences; the tree's sequence s is sequences[s]. Sequences without any scored token are
 * allowed (no edges). Token ids are copied. */
cso_status cso_tree_build(cso_tree *tree, const cso_sequence *sequences, size_t count, cso_error *err);
void cso_tree_free(cso_tree *tree); /* a zeroed tree is fine */
/* The same with the tree's arrays and all working memory in `arena`: nothing to free. A failed call may leave allocations in it. */
cso_status cso_tree_build_in(cso_tree *tree, const cso_sequence *sequences, size_t count, cso_arena *arena, cso_error *err);

/* How many tokens cso_tree_build would lay out, at less cost (for plans, --dry-run). */
cso_status cso_tree_measure(const cso_sequence *sequences, size_t count, size_t *n_tokens, size_t *n_unshared, cso_error *err);

/* logp of each sequence = sum over its edges, by their weights in it, in f64. */
void cso_tree_sequence_logps(const cso_tree *tree, const double *edge_logps, double *sequence_logps);
/* edge_weights[e] = sum over the sequences s through e of d_sequence[s], times the edge's weight in s. */
void cso_tree_edge_weights(const cso_tree *tree, const double *d_sequence, double *edge_weights);

/* Sequences in units: one unit goes into one tree as a whole, such as the two sequences of a pair. */
typedef struct cso_tree_units {
    const cso_sequence *sequences;
    const size_t *first; /* (count + 1): unit u has the sequences first[u] .. first[u+1) */
    size_t count;
} cso_tree_units;

/* Cuts the units into consecutive trees of at most max_tokens each: tree k holds the units cuts[k] .. cuts[k+1). A unit that
 * alone exceeds max_tokens gets a tree of its own. Order the units so that neighbours share prefixes. *cuts (*n_trees + 1) and all
 * working memory are in the arena. */
cso_status cso_tree_plan(const cso_tree_units *units, size_t max_tokens, cso_arena *arena, size_t **cuts, size_t *n_trees,
                         cso_error *err);

#endif
