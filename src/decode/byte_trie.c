/* byte_trie.c - a trie from sorted strings. */
#include "byte_trie.h"

#include "base/memory.h"
#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *left, const void *right) {
    const byte_trie_string *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static uint32_t common(const byte_trie_string *a, const byte_trie_string *b) {
    uint32_t size = 0;
    while (size < a->size && size < b->size && a->text[size] == b->text[size])
        size++;
    return size;
}

static bool sort(byte_trie_string *strings, uint32_t count) {
    byte_trie_string *room = cso_calloc(count, sizeof *room);
    if (!room)
        return false;
    cso_sort(strings, room, count, sizeof *strings, by_bytes);
    free(room);
    return true;
}

/* Adds the nodes of all strings; path: (longest + 1) the nodes of the string before. */
static void add_nodes(byte_trie *trie, const byte_trie_string *strings, uint32_t *path) {
    uint32_t depth = 0;
    trie->nodes[0] = (byte_trie_node){0};
    trie->count = 1;
    path[0] = 0;
    for (uint32_t i = 0; i < trie->n_strings; i++) {
        uint32_t shared = i ? common(&strings[i - 1], &strings[i]) : 0;
        for (; depth > shared; depth--)
            trie->nodes[path[depth]].end = trie->count;
        while (depth < strings[i].size) {
            path[depth + 1] = trie->count;
            trie->nodes[trie->count++] = (byte_trie_node){.first = i, .byte = (uint8_t)strings[i].text[depth]};
            depth++;
        }
        trie->values[i] = strings[i].value;
    }
    for (uint32_t i = 0; i <= depth; i++)
        trie->nodes[path[i]].end = trie->count;
    trie->nodes[trie->count] = (byte_trie_node){.end = trie->count, .first = trie->n_strings};
}

cso_status byte_trie_build(byte_trie *trie, byte_trie_string *strings, uint32_t count, cso_error *err) {
    *trie = (byte_trie){.n_strings = count};
    size_t nodes = 2; /* the root, and the one after the last */
    if (!sort(strings, count))
        return cso_fail_memory(err, "a trie");
    for (uint32_t i = 0; i < count; i++) {
        nodes += strings[i].size - (i ? common(&strings[i - 1], &strings[i]) : 0);
        if (strings[i].size > trie->longest)
            trie->longest = strings[i].size;
    }
    uint32_t *path = cso_calloc((size_t)trie->longest + 1, sizeof *path);
    trie->nodes = nodes <= UINT32_MAX ? cso_calloc(nodes, sizeof *trie->nodes) : NULL;
    trie->values = cso_calloc(count, sizeof *trie->values);
    if (!path || !trie->nodes || !trie->values) {
        free(path);
        byte_trie_free(trie);
        return cso_fail_memory(err, "a trie");
    }
    add_nodes(trie, strings, path);
    free(path);
    return CSO_OK;
}

void byte_trie_free(byte_trie *trie) {
    free(trie->nodes);
    free(trie->values);
    *trie = (byte_trie){0};
}

uint32_t byte_trie_child(const byte_trie *trie, uint32_t node, uint8_t byte) {
    uint32_t end = trie->nodes[node].end;
    for (uint32_t child = node + 1; child < end; child = trie->nodes[child].end)
        if (trie->nodes[child].byte >= byte)
            return trie->nodes[child].byte == byte ? child : 0;
    return 0;
}
