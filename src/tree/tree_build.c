/* tree_build.c - sequences to a radix tree.
 *
 * The sequences are sorted, a prefix before its extensions, so that each shares with its predecessor the longest prefix that it
 * shares with any sequence before it. One walk over the sorted sequences then lays out, for each, the tokens that its predecessor
 * lacks: this is the depth-first order of the trie. A second walk over the tokens finds the segments: a token begins one where its
 * parent is not the token before it, or has other children.
 */
#include "tree_keys.h"

#include "base/memory.h"
#include "base/sort.h"

#include <string.h>

/* By group, then by tokens, then by index (so that the result does not depend on the sorting algorithm). */
static int compare_keys(const void *left, const void *right) {
    const cso_tree_key *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    size_t la = cso_tree_key_length(a), lb = cso_tree_key_length(b), least = la < lb ? la : lb;
    size_t n = cso_tree_key_common(a, b, least);
    if (n < least)
        return a->ids[n] < b->ids[n] ? -1 : 1;
    if (la != lb)
        return la < lb ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static cso_status sorted_keys(cso_tree_key **keys, const cso_sequence *sequences, size_t count, cso_arena *arena, cso_error *err) {
    *keys = cso_arena_alloc(arena, count, sizeof **keys);
    cso_tree_key *room = cso_arena_alloc(arena, count, sizeof *room);
    if (!*keys || !room)
        return cso_fail_memory(err, "the tree's sequences");
    for (size_t i = 0; i < count; i++)
        CSO_TRY(cso_tree_key_make(&(*keys)[i], &sequences[i], i, err));
    cso_sort(*keys, room, count, sizeof **keys, compare_keys);
    return CSO_OK;
}

/* How many tokens of keys[i] its predecessor's key begins with. */
static size_t common_with_previous(const cso_tree_key *keys, size_t i) {
    if (i == 0)
        return 0;
    size_t la = cso_tree_key_length(&keys[i - 1]), lb = cso_tree_key_length(&keys[i]);
    return cso_tree_key_common(&keys[i - 1], &keys[i], la < lb ? la : lb);
}

static size_t count_tokens(const cso_tree_key *keys, size_t count, size_t *n_unshared, size_t *longest) {
    size_t n_tokens = 0, path = 0; /* path: tokens of the current path that are laid out */
    *n_unshared = *longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t common = common_with_previous(keys, i);
        path = path < common ? path : common;
        n_tokens += keys[i].laid - path;
        path = keys[i].laid;
        *n_unshared += path;
        *longest = *longest > path ? *longest : path;
    }
    return n_tokens;
}

cso_status cso_tree_measure(const cso_sequence *sequences, size_t count, size_t *n_tokens, size_t *n_unshared, cso_error *err) {
    cso_arena arena = {0};
    cso_tree_key *keys;
    size_t longest;
    cso_status status = sorted_keys(&keys, sequences, count, &arena, err);
    if (status == CSO_OK)
        *n_tokens = count_tokens(keys, count, n_unshared, &longest);
    cso_arena_free(&arena);
    return status;
}

/* Working memory of one build. It stays in the arena beside the tree: it is small against a pass's memory. */
typedef struct builder {
    cso_arena *arena;
    cso_tree_key *keys;
    int32_t *parent;      /* (n_tokens) flat index of the token before on the path, -1: none */
    uint8_t *children;    /* (n_tokens) 0, 1, 2 = two or more */
    int32_t *path;        /* (longest + 1) flat index of the current path's tokens */
    int32_t *path_edge;   /* (longest + 1) edge whose target is the current path's token, -1: none */
    int32_t *edge_token;  /* (edges) flat index of the edge's node, in the order the edges were met */
    int32_t *edge_target; /* (edges) */
    int32_t *edge_rank;   /* (edges) the edge's index in the tree */
    size_t n_edges;
} builder;

/* sequence_first from the numbers of scored tokens. */
static cso_status count_sequence_edges(cso_tree *tree, const builder *b, const cso_sequence *sequences, cso_error *err) {
    for (size_t i = 0; i < tree->n_sequences; i++) {
        const cso_tree_key *key = &b->keys[i];
        size_t n = 0;
        for (size_t t = 1; t < cso_tree_key_length(key); t++)
            n += cso_sequence_scores(&sequences[key->index], t);
        tree->sequence_first[key->index + 1] = n;
    }
    for (size_t s = 0; s < tree->n_sequences; s++)
        if (!cso_size_add(tree->sequence_first[s], tree->sequence_first[s + 1], &tree->sequence_first[s + 1]))
            return cso_fail(err, CSO_ERR_INPUT, "too many scored tokens for a tree");
    if (tree->sequence_first[tree->n_sequences] > INT32_MAX)
        return cso_fail(err, CSO_ERR_INPUT, "%zu scored tokens are too many for a tree (expected fewer than 2^31)",
                        tree->sequence_first[tree->n_sequences]);
    return CSO_OK;
}

/* The walk over the sorted sequences: tokens, positions, parents, edges. */
static void lay_out(cso_tree *tree, builder *b, const cso_sequence *sequences) {
    size_t depth = 0, next = 0;
    for (size_t i = 0; i < tree->n_sequences; i++) {
        const cso_tree_key *key = &b->keys[i];
        const cso_sequence *sequence = &sequences[key->index];
        size_t common = common_with_previous(b->keys, i), length = cso_tree_key_length(key);
        depth = depth < common ? depth : common;
        for (; depth < key->laid; depth++, next++) {
            int32_t parent = depth ? b->path[depth - 1] : -1;
            if (parent >= 0 && b->children[parent] < 2)
                b->children[parent]++;
            b->parent[next] = parent;
            b->path[depth] = (int32_t)next;
            tree->tokens[next] = key->ids[depth];
            tree->positions[next] = (int32_t)depth;
        }
        size_t scored = tree->sequence_first[key->index]; /* where the next scored token goes */
        for (size_t t = 0; t < length; t++) {
            if (t >= common)
                b->path_edge[t] = -1;
            if (t == 0 || !cso_sequence_scores(sequence, t))
                continue;
            if (b->path_edge[t] < 0) {
                b->edge_token[b->n_edges] = b->path[t - 1];
                b->edge_target[b->n_edges] = key->ids[t];
                b->path_edge[t] = (int32_t)b->n_edges++;
            }
            if (tree->sequence_weights) {
                size_t k = scored - tree->sequence_first[key->index];
                tree->sequence_weights[scored] = sequence->weights ? sequence->weights[k] : 1;
            }
            tree->sequence_edges[scored++] = b->path_edge[t];
        }
    }
}

static cso_status make_segments(cso_tree *tree, const builder *b, cso_error *err) {
    int32_t *segment_of = cso_arena_alloc(b->arena, tree->n_tokens, sizeof *segment_of);
    if (!segment_of)
        return cso_fail_memory(err, "the tree's segments");
    for (size_t i = 0; i < tree->n_tokens; i++) {
        bool first = b->parent[i] < 0 || (size_t)b->parent[i] + 1 != i || b->children[b->parent[i]] > 1;
        tree->n_segments += first;
        segment_of[i] = (int32_t)tree->n_segments - 1;
    }
    tree->segments = cso_arena_alloc(b->arena, tree->n_segments, sizeof *tree->segments);
    if (!tree->segments)
        return cso_fail_memory(err, "the tree's segments");
    for (size_t i = 0; i < tree->n_tokens; i++) {
        cso_segment *segment = &tree->segments[segment_of[i]];
        if (segment->length++ == 0) {
            segment->parent = b->parent[i] < 0 ? -1 : segment_of[b->parent[i]];
            segment->first = (int32_t)i;
            segment->depth = tree->positions[i];
        }
    }
    return CSO_OK;
}

/* Puts the edges in the order of their nodes (a counting sort) and numbers the nodes. */
static cso_status make_edges(cso_tree *tree, builder *b, cso_error *err) {
    /* start[i + 1]: edges of token i, then the sum up to it */
    int32_t *start = cso_arena_alloc(b->arena, tree->n_tokens + 1, sizeof *start);
    b->edge_rank = cso_arena_alloc(b->arena, b->n_edges, sizeof *b->edge_rank);
    tree->edge_node = cso_arena_alloc(b->arena, b->n_edges, sizeof *tree->edge_node);
    tree->edge_target = cso_arena_alloc(b->arena, b->n_edges, sizeof *tree->edge_target);
    if (!start || !b->edge_rank || !tree->edge_node || !tree->edge_target)
        return cso_fail_memory(err, "the tree's edges");
    tree->n_edges = b->n_edges;
    for (size_t e = 0; e < b->n_edges; e++) {
        tree->n_nodes += start[b->edge_token[e] + 1] == 0;
        start[b->edge_token[e] + 1]++;
    }
    tree->node_token = cso_arena_alloc(b->arena, tree->n_nodes, sizeof *tree->node_token);
    if (!tree->node_token)
        return cso_fail_memory(err, "the tree's nodes");
    int32_t node = 0;
    for (size_t i = 0; i < tree->n_tokens; i++) {
        int32_t n = start[i + 1];
        if (n)
            tree->node_token[node] = (int32_t)i;
        for (int32_t k = 0; k < n; k++)
            tree->edge_node[start[i] + k] = node;
        node += n != 0;
        start[i + 1] += start[i];
    }
    for (size_t e = 0; e < b->n_edges; e++) {
        b->edge_rank[e] = start[b->edge_token[e]]++;
        tree->edge_target[b->edge_rank[e]] = b->edge_target[e];
    }
    for (size_t k = 0; k < tree->sequence_first[tree->n_sequences]; k++)
        tree->sequence_edges[k] = b->edge_rank[tree->sequence_edges[k]];
    return CSO_OK;
}

/* Only trees in which some token counts otherwise than the others have weights. */
static cso_status allocate_weights(cso_tree *tree, const builder *b, const cso_sequence *sequences, cso_error *err) {
    bool any = false;
    for (size_t s = 0; s < tree->n_sequences; s++)
        any |= sequences[s].weights != NULL;
    if (!any)
        return CSO_OK;
    tree->sequence_weights = cso_arena_alloc(b->arena, tree->sequence_first[tree->n_sequences], sizeof *tree->sequence_weights);
    return tree->sequence_weights ? CSO_OK : cso_fail_memory(err, "the tree");
}

/* The arrays whose sizes follow from the sequences alone. */
static cso_status allocate(cso_tree *tree, builder *b, cso_error *err) {
    size_t n = tree->n_tokens, n_scored = tree->sequence_first[tree->n_sequences];
    tree->tokens = cso_arena_alloc(b->arena, n, sizeof *tree->tokens);
    tree->positions = cso_arena_alloc(b->arena, n, sizeof *tree->positions);
    tree->sequence_edges = cso_arena_alloc(b->arena, n_scored, sizeof *tree->sequence_edges);
    b->parent = cso_arena_alloc(b->arena, n, sizeof *b->parent);
    b->children = cso_arena_alloc(b->arena, n, sizeof *b->children);
    b->path = cso_arena_alloc(b->arena, tree->max_depth + 1, sizeof *b->path);
    b->path_edge = cso_arena_alloc(b->arena, tree->max_depth + 1, sizeof *b->path_edge);
    b->edge_token = cso_arena_alloc(b->arena, n_scored, sizeof *b->edge_token);
    b->edge_target = cso_arena_alloc(b->arena, n_scored, sizeof *b->edge_target);
    return tree->tokens && tree->positions && tree->sequence_edges && b->parent && b->children && b->path && b->path_edge &&
                   b->edge_token && b->edge_target
               ? CSO_OK
               : cso_fail_memory(err, "the tree");
}

static cso_status build(cso_tree *tree, const cso_sequence *sequences, cso_arena *arena, cso_error *err) {
    builder b = {.arena = arena};
    size_t count = tree->n_sequences;
    CSO_TRY(sorted_keys(&b.keys, sequences, count, arena, err));
    tree->n_tokens = count_tokens(b.keys, count, &tree->n_unshared_tokens, &tree->max_depth);
    if (tree->n_tokens > INT32_MAX)
        return cso_fail(err, CSO_ERR_INPUT, "%zu tokens are too many for one tree (expected fewer than 2^31)", tree->n_tokens);
    tree->sequence_first = count < SIZE_MAX ? cso_arena_alloc(arena, count + 1, sizeof *tree->sequence_first) : NULL;
    if (!tree->sequence_first)
        return cso_fail_memory(err, "the tree");
    CSO_TRY(count_sequence_edges(tree, &b, sequences, err));
    CSO_TRY(allocate(tree, &b, err));
    CSO_TRY(allocate_weights(tree, &b, sequences, err));
    lay_out(tree, &b, sequences);
    CSO_TRY(make_segments(tree, &b, err));
    return make_edges(tree, &b, err);
}

cso_status cso_tree_build_in(cso_tree *tree, const cso_sequence *sequences, size_t count, cso_arena *arena, cso_error *err) {
    *tree = (cso_tree){.n_sequences = count};
    cso_status status = build(tree, sequences, arena, err);
    if (status != CSO_OK)
        *tree = (cso_tree){0};
    return status;
}

cso_status cso_tree_build(cso_tree *tree, const cso_sequence *sequences, size_t count, cso_error *err) {
    cso_arena arena = {0};
    cso_status status = cso_tree_build_in(tree, sequences, count, &arena, err);
    tree->memory = arena;
    if (status != CSO_OK)
        cso_tree_free(tree);
    return status;
}

void cso_tree_free(cso_tree *tree) {
    cso_arena_free(&tree->memory);
    *tree = (cso_tree){0};
}

void cso_tree_sequence_logps(const cso_tree *tree, const double *edge_logps, double *sequence_logps) {
    for (size_t s = 0; s < tree->n_sequences; s++) {
        const double *weights = tree->sequence_weights;
        double sum = 0;
        for (size_t k = tree->sequence_first[s]; k < tree->sequence_first[s + 1]; k++)
            sum += weights ? weights[k] * edge_logps[tree->sequence_edges[k]] : edge_logps[tree->sequence_edges[k]];
        sequence_logps[s] = sum;
    }
}

void cso_tree_edge_weights(const cso_tree *tree, const double *d_sequence, double *edge_weights) {
    memset(edge_weights, 0, tree->n_edges * sizeof *edge_weights);
    for (size_t s = 0; s < tree->n_sequences; s++)
        for (size_t k = tree->sequence_first[s]; k < tree->sequence_first[s + 1]; k++)
            edge_weights[tree->sequence_edges[k]] +=
                tree->sequence_weights ? tree->sequence_weights[k] * d_sequence[s] : d_sequence[s];
}
