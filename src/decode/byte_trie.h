/* byte_trie.h - a set of byte strings as a trie in one array, in the order of its strings.
 *
 * Nodes stand in preorder, children by ascending byte, so that a subtree is a range of nodes and of strings: node i's children
 * are in nodes[i + 1 .. end), and the strings that begin with its bytes are strings[first .. nodes[end].first). Those that are
 * no longer than its bytes are the first of them.
 */
#ifndef CSO_BYTE_TRIE_H
#define CSO_BYTE_TRIE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct byte_trie_node {
    uint32_t end;   /* the node after its subtree */
    uint32_t first; /* of the strings below */
    uint8_t byte;   /* the last of its bytes; the root, node 0, has none */
} byte_trie_node;

typedef struct byte_trie {
    byte_trie_node *nodes; /* (count + 1), the last only for its `first` */
    uint32_t count;
    uint32_t *values; /* (n_strings) by the order of the strings */
    uint32_t n_strings;
    uint32_t longest; /* bytes of a string */
} byte_trie;

typedef struct byte_trie_string {
    const char *text;
    uint32_t size, value; /* size > 0 */
} byte_trie_string;

/* Sorts the strings, of which there may be equal ones: these keep their order. The texts are not needed afterwards. Errors:
 * CSO_ERR_SYSTEM (memory), also for more than 2^32 - 2 nodes. */
cso_status byte_trie_build(byte_trie *trie, byte_trie_string *strings, uint32_t count, cso_error *err);
void byte_trie_free(byte_trie *trie);

/* The child of a node by a byte, 0: none. */
uint32_t byte_trie_child(const byte_trie *trie, uint32_t node, uint8_t byte);

/* How many strings end in this node: strings[first .. first + this). */
static inline uint32_t byte_trie_here(const byte_trie *trie, uint32_t node) {
    return trie->nodes[node + 1].first - trie->nodes[node].first; /* of a leaf, the next node has the next string */
}

static inline bool byte_trie_is_leaf(const byte_trie *trie, uint32_t node) {
    return trie->nodes[node].end == node + 1;
}

#endif
