/* kv_tree.h - keys and values of tokens that many sessions share: a tree of pages, within a budget of memory.
 *
 * A page holds the tokens at CSO_KV_PAGE consecutive positions, the first a multiple of that, and their keys (after RoPE) and
 * values in every layer. Its parent holds the positions before. A token's hidden state depends on the tokens before it and on the
 * adapter alone, so each adapter (NULL: the base model) has a root, and below it the tokens name the page: sequences that begin
 * alike share the pages of their beginning. Where two part within a page, the second gets a page of its own and copies what it
 * shares, so every page is one dense block, cut by position alone.
 *
 * A page lives as long as a session, a child or its data needs it. Data is evicted in the order of last use when the budget is
 * spent; the tokens of a page that is still needed stay, and its data is computed again, with the same bits, when a session that
 * needs it takes a step. What the current batch uses is never evicted.
 */
#ifndef CSO_KV_TREE_H
#define CSO_KV_TREE_H

#include "base/status.h"
#include "model/lora.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSO_KV_PAGE = 64 };

typedef struct cso_kv_page cso_kv_page;
struct cso_kv_page {
    cso_kv_page *parent;                   /* NULL: a root, which holds no tokens */
    cso_kv_page *children, *next, *before; /* the first child; siblings */
    cso_kv_page *older, *newer;            /* pages with data, by last use */
    const cso_adapter *adapter;
    size_t sessions;  /* whose last page this is */
    void *data;       /* NULL: none, or evicted */
    uint64_t used;    /* the last batch that used it */
    int32_t count;    /* tokens */
    int32_t computed; /* of them: those whose keys and values are in data */
    int32_t planned;  /* those, and what the current batch computes */
    int32_t tokens[CSO_KV_PAGE];
};

typedef struct cso_kv_tree {
    size_t n_layers, heads, head_dim; /* heads of keys and values */
    bool half;                        /* keys and values are in f16; else f32 */
    size_t page_bytes;                /* of a page's data */
    size_t budget, bytes, most_bytes; /* of pages, their tokens included; the most there were */
    size_t evicted;                   /* pages whose data was dropped, so far */
    uint64_t batch;                   /* the current one */
    cso_kv_page *roots;               /* by next */
    cso_kv_page *oldest, *newest;
    void *spare; /* memory of data that was dropped, for the next page: each begins with the address of another */
} cso_kv_tree;

void cso_kv_tree_init(cso_kv_tree *tree, const cso_model *model, bool half, size_t budget);
/* After the last session. */
void cso_kv_tree_free(cso_kv_tree *tree);

/* The adapter's root, made where it is missing. */
cso_status cso_kv_root(cso_kv_tree *tree, const cso_adapter *adapter, cso_kv_page **root, cso_error *err);
/* A new child with `count` tokens. It is freed by the next cso_kv_prune of it, unless a session or a child needs it by then. */
cso_status cso_kv_child(cso_kv_tree *tree, cso_kv_page *parent, const int32_t *tokens, size_t count, cso_kv_page **page,
                        cso_error *err);
/* The child that agrees with the most of the tokens head (n_head), then ids (count): with *common of them. NULL: with none. */
cso_kv_page *cso_kv_match(const cso_kv_page *parent, const int32_t *head, size_t n_head, const int32_t *ids, size_t count,
                          size_t *common);
/* Frees the page and its ancestors, as far as nothing needs them. */
void cso_kv_prune(cso_kv_tree *tree, cso_kv_page *page);
/* Drops all data of an adapter, and its pages as far as no session needs them. */
void cso_kv_forget(cso_kv_tree *tree, const cso_adapter *adapter);

/* The current batch uses the page. */
void cso_kv_touch(cso_kv_tree *tree, cso_kv_page *page);
/* Gives the page memory for data, and fills it with what a sibling has of the same beginning. *room false, and nothing changed:
 * the budget is spent on what the current batch uses. */
cso_status cso_kv_hold(cso_kv_tree *tree, cso_kv_page *page, bool *room, cso_error *err);

/* Keys of a layer and head, (E, CSO_KV_PAGE): one column for each position; values (CSO_KV_PAGE, E). f16 or f32. */
static inline void *cso_kv_block(const cso_kv_tree *tree, const cso_kv_page *page, size_t layer, size_t head, bool values) {
    size_t at = ((2 * layer + values) * tree->heads + head) * tree->head_dim * CSO_KV_PAGE;
    return (char *)page->data + at * (tree->half ? sizeof(uint16_t) : sizeof(float));
}

#endif
