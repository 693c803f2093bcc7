/* kv_tree.c - see kv_tree.h. */
#include "kv_tree.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void cso_kv_tree_init(cso_kv_tree *tree, const cso_model *model, bool half, size_t budget) {
    const cso_hparams *h = &model->hparams;
    *tree = (cso_kv_tree){.n_layers = h->n_layers, .heads = h->n_kv_heads, .head_dim = h->head_dim, .budget = budget, .batch = 1};
    tree->half = half;
    tree->page_bytes = 2 * h->n_layers * h->n_kv_heads * h->head_dim * CSO_KV_PAGE * (half ? sizeof(uint16_t) : sizeof(float));
}

static void count_bytes(cso_kv_tree *tree, size_t bytes) {
    tree->bytes += bytes;
    tree->most_bytes = tree->bytes > tree->most_bytes ? tree->bytes : tree->most_bytes;
}

/* --- the order of last use --- */

static void take_out(cso_kv_tree *tree, cso_kv_page *page) {
    *(page->older ? &page->older->newer : &tree->oldest) = page->newer;
    *(page->newer ? &page->newer->older : &tree->newest) = page->older;
    page->older = page->newer = NULL;
}

static void put_newest(cso_kv_tree *tree, cso_kv_page *page) {
    page->older = tree->newest;
    *(tree->newest ? &tree->newest->newer : &tree->oldest) = page;
    tree->newest = page;
}

static void drop_data(cso_kv_tree *tree, cso_kv_page *page) {
    if (!page->data)
        return;
    take_out(tree, page);
    *(void **)page->data = tree->spare; /* the system would give other memory, and clear it */
    tree->spare = page->data;
    page->data = NULL;
    page->computed = page->planned = 0;
    tree->bytes -= tree->page_bytes;
}

void cso_kv_touch(cso_kv_tree *tree, cso_kv_page *page) {
    page->used = tree->batch;
    if (page->data && page != tree->newest) {
        take_out(tree, page);
        put_newest(tree, page);
    }
}

/* --- the tree --- */

static cso_status new_page(cso_kv_tree *tree, cso_kv_page **list, cso_kv_page **page, cso_error *err) {
    cso_kv_page *p = *page = cso_calloc(1, sizeof *p);
    if (!p)
        return cso_fail_memory(err, "a page of tokens");
    p->next = *list;
    if (p->next)
        p->next->before = p;
    *list = p;
    count_bytes(tree, sizeof *p);
    return CSO_OK;
}

static void free_page(cso_kv_tree *tree, cso_kv_page *page) {
    *(page->before ? &page->before->next : page->parent ? &page->parent->children : &tree->roots) = page->next;
    if (page->next)
        page->next->before = page->before;
    drop_data(tree, page);
    tree->bytes -= sizeof *page;
    free(page);
}

cso_status cso_kv_root(cso_kv_tree *tree, const cso_adapter *adapter, cso_kv_page **root, cso_error *err) {
    for (*root = tree->roots; *root; *root = (*root)->next)
        if ((*root)->adapter == adapter)
            return CSO_OK;
    CSO_TRY(new_page(tree, &tree->roots, root, err));
    (*root)->adapter = adapter;
    return CSO_OK;
}

cso_status cso_kv_child(cso_kv_tree *tree, cso_kv_page *parent, const int32_t *tokens, size_t count, cso_kv_page **page,
                        cso_error *err) {
    CSO_TRY(new_page(tree, &parent->children, page, err));
    (*page)->parent = parent;
    (*page)->adapter = parent->adapter;
    (*page)->count = (int32_t)count;
    memcpy((*page)->tokens, tokens, count * sizeof *tokens);
    return CSO_OK;
}

static size_t common_length(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b) {
    size_t n = n_a < n_b ? n_a : n_b, i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

cso_kv_page *cso_kv_match(const cso_kv_page *parent, const int32_t *head, size_t n_head, const int32_t *ids, size_t count,
                          size_t *common) {
    cso_kv_page *best = NULL;
    *common = 0;
    for (cso_kv_page *page = parent->children; page; page = page->next) {
        size_t n = common_length(page->tokens, (size_t)page->count, head, n_head);
        if (n == n_head)
            n += common_length(page->tokens + n, (size_t)page->count - n, ids, count);
        if (n > *common) {
            *common = n;
            best = page;
        }
    }
    return best;
}

void cso_kv_prune(cso_kv_tree *tree, cso_kv_page *page) {
    while (page && !page->sessions && !page->children && !page->data) {
        cso_kv_page *parent = page->parent;
        free_page(tree, page);
        page = parent;
    }
}

/* Of an adapter, or of all. Every page has a session, a child or data, so what is left is what sessions need. */
static void drop_all(cso_kv_tree *tree, bool any, const cso_adapter *adapter) {
    for (cso_kv_page *page = tree->oldest, *newer; page; page = newer) {
        newer = page->newer;
        if (any || page->adapter == adapter) {
            drop_data(tree, page);
            cso_kv_prune(tree, page);
        }
    }
}

void cso_kv_forget(cso_kv_tree *tree, const cso_adapter *adapter) {
    drop_all(tree, false, adapter);
}

void cso_kv_tree_free(cso_kv_tree *tree) {
    drop_all(tree, true, NULL);
    while (tree->spare) {
        void *data = tree->spare;
        tree->spare = *(void **)data;
        free(data);
    }
}

/* --- data --- */

static bool evict_oldest(cso_kv_tree *tree) {
    cso_kv_page *page = tree->oldest;
    if (!page || page->used == tree->batch)
        return false;
    drop_data(tree, page);
    cso_kv_prune(tree, page);
    tree->evicted++;
    return true;
}

/* Whole blocks are copied: what lies beyond the beginning is not read before it is written. */
static void copy_from_sibling(cso_kv_tree *tree, cso_kv_page *page) {
    const cso_kv_page *best = NULL;
    size_t most = 0;
    for (const cso_kv_page *other = page->parent->children; other; other = other->next) {
        size_t n = other != page && other->data && (size_t)other->computed > most
                       ? common_length(page->tokens, (size_t)page->count, other->tokens, (size_t)other->computed)
                       : 0;
        if (n > most) {
            most = n;
            best = other;
        }
    }
    if (best)
        memcpy(page->data, best->data, tree->page_bytes);
    page->computed = page->planned = (int32_t)most;
}

cso_status cso_kv_hold(cso_kv_tree *tree, cso_kv_page *page, bool *room, cso_error *err) {
    *room = true;
    if (page->data)
        return CSO_OK;
    while (tree->bytes > tree->budget || tree->budget - tree->bytes < tree->page_bytes)
        if (!evict_oldest(tree)) {
            *room = false;
            return CSO_OK;
        }
    page->data = tree->spare ? tree->spare : cso_aligned_alloc(tree->page_bytes, 1);
    if (!page->data)
        return cso_fail_memory(err, "keys and values");
    if (page->data == tree->spare)
        tree->spare = *(void **)page->data;
    else /* attention reads up to fifteen columns that are not written yet, and drops them */
        memset(page->data, 0, tree->page_bytes);
    count_bytes(tree, tree->page_bytes);
    put_newest(tree, page);
    copy_from_sibling(tree, page);
    return CSO_OK;
}
