/* special_tokens.c - see special_tokens.h. */
#include "special_tokens.h"

#include "base/memory.h"
#include "unicode_ranges.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct cso_special_node {
    uint32_t child, sibling; /* 0: none */
    uint32_t fail;           /* the longest other node that this one's bytes end with (in the trie's order), 0: none */
    uint32_t item;  /* index + 1 of the longest item that these bytes end with, 0: none; before linking: of the item they are */
    uint32_t plain; /* the same among items that are not control */
    unsigned char byte;
} cso_special_node;

static bool add_node(cso_special_set *set, unsigned char byte, uint32_t sibling, uint32_t *node) {
    bool empty = !set->node_count;
    size_t count = empty ? 1 : set->node_count;
    if (count >= UINT32_MAX || !cso_grow(&set->nodes, &set->node_capacity, count + 1, sizeof *set->nodes))
        return false;
    if (empty)
        set->nodes[0] = (cso_special_node){0};
    set->node_count = count;
    *node = (uint32_t)set->node_count++;
    set->nodes[*node] = (cso_special_node){.sibling = sibling, .byte = byte};
    return true;
}

static uint32_t find_child(const cso_special_set *set, uint32_t node, unsigned char byte) {
    if (!node)
        return set->first[byte];
    uint32_t child = set->nodes[node].child;
    while (child && set->nodes[child].byte != byte)
        child = set->nodes[child].sibling;
    return child;
}

cso_status cso_special_add(cso_special_set *set, const char *text, size_t size, const cso_special *item, cso_error *err) {
    if (!size)
        return CSO_OK; /* an empty string is never found */
    uint32_t node = 0;
    for (size_t i = size; i-- > 0;) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t child = find_child(set, node, byte);
        if (!child) {
            uint32_t sibling = node ? set->nodes[node].child : 0;
            if (size > UINT32_MAX || !add_node(set, byte, sibling, &child))
                return cso_fail_memory(err, "the special tokens");
            if (node)
                set->nodes[node].child = child;
            else
                set->first[byte] = child;
        }
        node = child;
    }
    if (!cso_grow(&set->items, &set->capacity, set->count + 1, sizeof *set->items))
        return cso_fail_memory(err, "the special tokens");
    set->items[set->count] = *item;
    set->items[set->count++].size = (uint32_t)size;
    set->nodes[node].item = (uint32_t)set->count;
    set->any_plain |= !item->control;
    return CSO_OK;
}

/* The node after one more byte, by the failure links. */
static uint32_t step(const cso_special_set *set, uint32_t node, unsigned char byte) {
    for (;;) {
        uint32_t child = find_child(set, node, byte);
        if (child || !node)
            return child;
        node = set->nodes[node].fail;
    }
}

/* Completes a node whose parent is complete, as are all nodes that are less deep. */
static void link_node(cso_special_set *set, uint32_t node, uint32_t parent) {
    cso_special_node *n = &set->nodes[node];
    n->fail = parent ? step(set, set->nodes[parent].fail, n->byte) : 0;
    const cso_special_node *fail = &set->nodes[n->fail];
    n->plain = n->item && !set->items[n->item - 1].control ? n->item : fail->plain;
    n->item = n->item ? n->item : fail->item;
}

cso_status cso_special_link(cso_special_set *set, cso_error *err) {
    if (!set->count)
        return CSO_OK;
    uint32_t *queue = cso_calloc(set->node_count, sizeof *queue);
    size_t end = 0;
    if (!queue)
        return cso_fail_memory(err, "the special tokens");
    for (int byte = 0; byte < 256; byte++)
        if (set->first[byte]) {
            link_node(set, set->first[byte], 0);
            queue[end++] = set->first[byte];
        }
    for (size_t at = 0; at < end; at++)
        for (uint32_t child = set->nodes[queue[at]].child; child; child = set->nodes[child].sibling) {
            link_node(set, child, queue[at]);
            queue[end++] = child;
        }
    free(queue);
    return CSO_OK;
}

void cso_special_free(cso_special_set *set) {
    free(set->nodes);
    free(set->items);
    *set = (cso_special_set){0};
}

void cso_special_hits_free(cso_special_hits *hits) {
    free(hits->items);
    *hits = (cso_special_hits){0};
}

cso_status cso_special_find(const cso_special_set *set, const char *text, size_t size, bool plain, cso_special_hits *hits,
                            cso_error *err) {
    if (!set->count || (plain && !set->any_plain))
        return CSO_OK;
    uint32_t node = 0;
    for (size_t at = size; at-- > 0;) {
        node = step(set, node, (unsigned char)text[at]);
        uint32_t item = plain ? set->nodes[node].plain : set->nodes[node].item;
        if (!item)
            continue;
        if (!cso_grow(&hits->items, &hits->capacity, hits->count + 1, sizeof *hits->items))
            return cso_fail_memory(err, "the special tokens of a text");
        hits->items[hits->count++] = (cso_special_hit){.begin = at, .item = item - 1, .size = set->items[item - 1].size};
    }
    for (size_t i = 0; i < hits->count / 2; i++) { /* found from the end on */
        cso_special_hit last = hits->items[hits->count - 1 - i];
        hits->items[hits->count - 1 - i] = hits->items[i];
        hits->items[i] = last;
    }
    return CSO_OK;
}

/* \s and \w of the regex crate, approximately: letters, marks, decimal digits, letter numbers, connectors and joiners. */
static bool is_space(utf8proc_int32_t point) {
    utf8proc_category_t category = utf8proc_category(point);
    return (point >= 9 && point <= 13) || point == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static bool is_word(utf8proc_int32_t point) {
    utf8proc_category_t category = utf8proc_category(point);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC ||
           point == 0x200C || point == 0x200D ||
           cso_unicode_in(cso_unicode_letters, sizeof cso_unicode_letters / sizeof *cso_unicode_letters, (uint32_t)point);
}

/* The character that ends before text[at]; the number of its bytes. */
static size_t character_before(const char *text, size_t at, utf8proc_int32_t *point) {
    size_t begin = at - 1;
    while (begin && at - begin < 4 && ((unsigned char)text[begin] & 0xC0) == 0x80)
        begin--;
    utf8proc_iterate((const utf8proc_uint8_t *)text + begin, (utf8proc_ssize_t)(at - begin), point);
    return at - begin;
}

static size_t character_after(const char *text, size_t size, size_t at, utf8proc_int32_t *point) {
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), point);
    return length > 0 ? (size_t)length : 1;
}

/* The end of the white space from `at` on. Matches may lie in each other's white space: what was walked over is not walked
 * again. */
static size_t end_of_space(const char *text, size_t size, size_t at, cso_special_hits *hits) {
    size_t end = at >= hits->space_begin && at < hits->space_end ? hits->space_end : at;
    for (size_t length; end < size; end += length) {
        utf8proc_int32_t point;
        length = character_after(text, size, end, &point);
        if (!is_space(point))
            break;
    }
    hits->space_begin = at;
    hits->space_end = end;
    return end;
}

bool cso_special_next(const cso_special_set *set, const char *text, size_t size, cso_special_hits *hits, size_t from, size_t taken,
                      cso_special_match *match) {
    utf8proc_int32_t point;
    for (; hits->next < hits->count; hits->next++) {
        const cso_special_hit *hit = &hits->items[hits->next];
        const cso_special *item = &set->items[hit->item];
        size_t at = hit->begin, end = at + hit->size;
        if (at < from)
            continue;
        if (item->single_word && ((at && (character_before(text, at, &point), is_word(point))) ||
                                  (end < size && (character_after(text, size, end, &point), is_word(point))))) {
            from = end; /* a refused match is skipped, as Hugging Face does */
            continue;
        }
        *match = (cso_special_match){.begin = at, .end = end, .resume = end, .id = item->id};
        if (item->lstrip)
            for (size_t length; match->begin > taken; match->begin -= length) {
                length = character_before(text, match->begin, &point);
                if (!is_space(point))
                    break;
            }
        if (item->rstrip)
            match->end = end_of_space(text, size, end, hits);
        return true;
    }
    return false;
}
