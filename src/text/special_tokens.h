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
    uint32_t size;       /* bytes; cso_special_add sets it */
} cso_special;

/* A trie over the items' bytes, last byte first, with failure links (Aho and Corasick 1975): walked over a text from its end to its
 * beginning, it knows at each byte the longest item that begins there. Zero-initialise. */
typedef struct cso_special_set {
    struct cso_special_node *nodes; /* node 0 stands for "none"; a node's children are a linked list */
    size_t node_count, node_capacity;
    cso_special *items;
    size_t count, capacity;
    uint32_t first[256]; /* node of an item's last byte, 0: none */
    bool any_plain;      /* whether an item is not control */
} cso_special_set;

cso_status cso_special_add(cso_special_set *set, const char *text, size_t size, const cso_special *item, cso_error *err);
/* Makes the failure links. To be called after the last item and before the first search. */
cso_status cso_special_link(cso_special_set *set, cso_error *err);
void cso_special_free(cso_special_set *set);

/* An item at a place of a text. */
typedef struct cso_special_hit {
    size_t begin;
    uint32_t item; /* in set->items */
    uint32_t size; /* bytes */
} cso_special_hit;

/* Zero-initialise. */
typedef struct cso_special_hits {
    cso_special_hit *items; /* (count), ascending by begin */
    size_t count, capacity;
    size_t next;                   /* where cso_special_next goes on */
    size_t space_begin, space_end; /* the white space that it walked over last */
} cso_special_hits;

/* For each byte of text[size] the longest item that begins there, if any. plain: items that are control do not exist. Linear time,
 * whatever the items are. The caller frees, also on failure. */
cso_status cso_special_find(const cso_special_set *set, const char *text, size_t size, bool plain, cso_special_hits *hits,
                            cso_error *err);
void cso_special_hits_free(cso_special_hits *hits);

typedef struct cso_special_match {
    size_t begin, end; /* in the text, including its white space */
    size_t resume;     /* where the search goes on */
    int32_t id;
} cso_special_match;

/* The next match at or after `from`, which never is less than in the call before. taken: the end of the match before (white space
 * is not taken from it). False: no more. */
bool cso_special_next(const cso_special_set *set, const char *text, size_t size, cso_special_hits *hits, size_t from, size_t taken,
                      cso_special_match *match);

#endif
