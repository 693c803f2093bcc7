/* special_tokens.c - see special_tokens.h. */
#include "special_tokens.h"

#include "base/memory.h"
#include "unicode_ranges.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct cso_special_node {
    uint32_t child, sibling; /* 0: none */
    int32_t item;            /* -1: none ends here */
    unsigned char byte;
} cso_special_node;

static bool add_node(cso_special_set *set, unsigned char byte, uint32_t sibling, uint32_t *node) {
    if (!set->node_count)
        set->node_count = 1; /* node 0 stands for "none" */
    if (set->node_count >= UINT32_MAX || !cso_grow(&set->nodes, &set->node_capacity, set->node_count + 1, sizeof *set->nodes))
        return false;
    *node = (uint32_t)set->node_count++;
    set->nodes[*node] = (cso_special_node){.sibling = sibling, .item = -1, .byte = byte};
    return true;
}

static uint32_t find_child(const cso_special_set *set, uint32_t node, unsigned char byte) {
    uint32_t child = set->nodes[node].child;
    while (child && set->nodes[child].byte != byte)
        child = set->nodes[child].sibling;
    return child;
}

cso_status cso_special_add(cso_special_set *set, const char *text, size_t size, const cso_special *item, cso_error *err) {
    if (!size)
        return CSO_OK; /* an empty string is never found */
    const unsigned char *byte = (const unsigned char *)text;
    uint32_t node = set->first[byte[0]];
    if (!node) {
        if (!add_node(set, byte[0], 0, &node))
            return cso_fail_memory(err, "the special tokens");
        set->first[byte[0]] = node;
    }
    for (size_t i = 1; i < size; i++) {
        uint32_t child = find_child(set, node, byte[i]);
        if (!child) {
            if (!add_node(set, byte[i], set->nodes[node].child, &child))
                return cso_fail_memory(err, "the special tokens");
            set->nodes[node].child = child;
        }
        node = child;
    }
    if (!cso_grow(&set->items, &set->capacity, set->count + 1, sizeof *set->items))
        return cso_fail_memory(err, "the special tokens");
    set->nodes[node].item = (int32_t)set->count;
    set->items[set->count++] = *item;
    set->any_plain |= !item->control;
    return CSO_OK;
}

void cso_special_free(cso_special_set *set) {
    free(set->nodes);
    free(set->items);
    *set = (cso_special_set){0};
}

/* The longest item that begins at text[at]; NULL: none. */
static const cso_special *longest_at(const cso_special_set *set, const unsigned char *text, size_t size, size_t at, bool plain,
                                     size_t *end) {
    const cso_special *best = NULL;
    uint32_t node = set->first[text[at]];
    for (size_t i = at; node; node = i < size ? find_child(set, node, text[i]) : 0) {
        i++;
        if (set->nodes[node].item >= 0) {
            const cso_special *item = &set->items[set->nodes[node].item];
            if (!plain || !item->control) {
                best = item;
                *end = i;
            }
        }
    }
    return best;
}

int32_t cso_special_at(const cso_special_set *set, const char *text, size_t size, size_t at, size_t *length) {
    size_t end = at;
    const cso_special *item = longest_at(set, (const unsigned char *)text, size, at, false, &end);
    *length = end - at;
    return item ? item->id : -1;
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

bool cso_special_next(const cso_special_set *set, const char *text, size_t size, size_t from, size_t taken, bool plain,
                      cso_special_match *match) {
    if (!set->count || (plain && !set->any_plain))
        return false;
    const unsigned char *byte = (const unsigned char *)text;
    utf8proc_int32_t point;
    for (size_t at = from, end = 0; at < size; at++) {
        const cso_special *item = set->first[byte[at]] ? longest_at(set, byte, size, at, plain, &end) : NULL;
        if (!item)
            continue;
        if (item->single_word && ((at && (character_before(text, at, &point), is_word(point))) ||
                                  (end < size && (character_after(text, size, end, &point), is_word(point))))) {
            at = end - 1; /* a refused match is skipped, as Hugging Face does */
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
            for (size_t length; match->end < size; match->end += length) {
                length = character_after(text, size, match->end, &point);
                if (!is_space(point))
                    break;
            }
        return true;
    }
    return false;
}
