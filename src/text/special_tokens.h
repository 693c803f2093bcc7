/* special_tokens.h - finding the strings of added and special tokens in text: leftmost first, of several that begin there the
 * longest, as the AddedVocabulary of Hugging Face's tokenizers does, with its flags.
 */
#ifndef CSO_SPECIAL_TOKENS_H
#define CSO_SPECIAL_TOKENS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_special {
    int32_t id;
    bool control;        /* never found in plain text (parse_special false) */
    bool single_word;    /* only without a word character on either side */
    bool lstrip, rstrip; /* includes the white space before, after it */
} cso_special;

/* A trie over bytes; zero-initialise. A node's children are a linked list. */
typedef struct cso_special_set {
    struct cso_special_node *nodes;
    size_t node_count, node_capacity;
    cso_special *items;
    size_t count, capacity;
    uint32_t first[256]; /* node of the first byte, 0: none */
    bool any_plain;      /* whether an item is not control */
} cso_special_set;

cso_status cso_special_add(cso_special_set *set, const char *text, size_t size, const cso_special *item, cso_error *err);
void cso_special_free(cso_special_set *set);

typedef struct cso_special_match {
    size_t begin, end; /* in the text, including its white space */
    size_t resume;     /* where the search goes on */
    int32_t id;
} cso_special_match;

/* The id of the longest item that text[at..size) begins with and its length; -1: none. Flags do not count. */
int32_t cso_special_at(const cso_special_set *set, const char *text, size_t size, size_t at, size_t *length);

/* The next match at or after `from`. taken: the end of the match before (white space is not taken from it). plain: items
 * that are control do not exist. False: no more. */
bool cso_special_next(const cso_special_set *set, const char *text, size_t size, size_t from, size_t taken, bool plain,
                      cso_special_match *match);

#endif
