/* hash.c - hashes of texts and a map of them. */
#include "hash.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void digest_text(cso_digest *digest, const char *text, size_t size) {
    uint64_t length = text ? size : UINT64_MAX;
    cso_digest_add(digest, &length, sizeof length);
    if (text)
        cso_digest_add(digest, text, size);
}

void digest_messages(cso_digest *digest, const cso_message *messages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        digest_text(digest, messages[i].role, messages[i].role ? strlen(messages[i].role) : 0);
        digest_text(digest, messages[i].content, messages[i].size);
    }
}

text_hash text_hash_end(const cso_digest *digest) {
    text_hash hash;
    cso_digest_words(digest, &hash.low, &hash.high);
    return hash;
}

/* The slot that holds key, or the free one where it belongs. */
static size_t find_slot(const hash_map *map, text_hash key) {
    size_t slot = key.low & (map->capacity - 1);
    while (map->values[slot] != SIZE_MAX && (map->keys[slot].low != key.low || map->keys[slot].high != key.high))
        slot = (slot + 1) & (map->capacity - 1);
    return slot;
}

static bool grow(hash_map *map) {
    hash_map larger = {.count = map->count, .capacity = map->capacity ? map->capacity * 2 : 64};
    larger.keys = cso_calloc(larger.capacity, sizeof *larger.keys);
    larger.values = cso_calloc(larger.capacity, sizeof *larger.values);
    if (!larger.keys || !larger.values) {
        hash_map_free(&larger);
        return false;
    }
    memset(larger.values, 0xFF, larger.capacity * sizeof *larger.values);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->values[i] != SIZE_MAX) {
            size_t slot = find_slot(&larger, map->keys[i]);
            larger.keys[slot] = map->keys[i];
            larger.values[slot] = map->values[i];
        }
    hash_map_free(map);
    *map = larger;
    return true;
}

bool hash_map_get(hash_map *map, text_hash key, size_t value, size_t *found, bool *added) {
    if ((map->count + 1) * 2 > map->capacity && !grow(map))
        return false;
    size_t slot = find_slot(map, key);
    *added = map->values[slot] == SIZE_MAX;
    if (*added) {
        map->keys[slot] = key;
        map->values[slot] = value;
        map->count++;
    }
    *found = map->values[slot];
    return true;
}

void hash_map_free(hash_map *map) {
    free(map->keys);
    free(map->values);
    *map = (hash_map){0};
}
