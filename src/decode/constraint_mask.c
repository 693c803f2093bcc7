/* constraint_mask.c - the ids that may come next, by a walk of the vocabulary's trie, and the masks that are kept. */
#include "base/digest.h"
#include "base/memory.h"
#include "constraint_parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A state with what does not matter for one token left out: equal keys have equal masks. */
typedef struct mask_entry {
    cso_constraint_state key;
    uint32_t next; /* the entry after it with the same hash, + 1; 0: none */
    uint64_t *mask;
} mask_entry;

enum { HEADS = 4096, MOST_MASKS = 65536 };

struct mask_cache {
    pthread_mutex_t lock;
    mask_entry *entries; /* (count) */
    size_t count, capacity, most;
    size_t oldest;                /* the entry that is replaced next, when there are `most` */
    uint32_t heads[HEADS];        /* the first entry of a hash, + 1 */
    cso_constraint_state *states; /* (longest + 1) of a walk: the state after each byte of the token */
    uint32_t *ends;               /* (longest + 1) where the subtree of that byte ends */
};

cso_status mask_cache_create(mask_cache **cache, const cso_token_trie *tokens, cso_error *err) {
    mask_cache *m = cso_calloc(1, sizeof *m);
    size_t bytes = cso_token_trie_words(tokens) * sizeof(uint64_t), longest = tokens->trie.longest;
    *cache = NULL;
    if (!m)
        return cso_fail_memory(err, "a constraint");
    m->most = CSO_CONSTRAINT_CACHE / (bytes + sizeof(mask_entry));
    m->most = m->most > MOST_MASKS ? MOST_MASKS : m->most < 64 ? 64 : m->most;
    m->states = cso_calloc(longest + 1, sizeof *m->states);
    m->ends = cso_calloc(longest + 1, sizeof *m->ends);
    if (!m->states || !m->ends || pthread_mutex_init(&m->lock, NULL)) {
        free(m->states);
        free(m->ends);
        free(m);
        return cso_fail_memory(err, "a constraint");
    }
    *cache = m;
    return CSO_OK;
}

void mask_cache_free(mask_cache *m) {
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->entries[i].mask);
    free(m->entries);
    free(m->states);
    free(m->ends);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static size_t state_size(const cso_constraint_state *s) {
    return offsetof(cso_constraint_state, levels) + s->depth * sizeof s->levels[0];
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* No token has more characters, items or bytes than this. */
static uint32_t up_to(const cso_constraint *c, uint32_t count) {
    return least(count, c->tokens->trie.longest + 1);
}

/* How far `count` is from its bounds: equal for counts between which no token can tell. */
static uint32_t distance(const cso_constraint *c, uint32_t count, uint32_t low, uint32_t high) {
    uint32_t need = up_to(c, low > count ? low - count : 0), left = up_to(c, high > count ? high - count : 0);
    return need << 16 | left; /* both are at most TOKEN_LONGEST + 1 */
}

static void make_key(const cso_constraint *c, const cso_constraint_state *s, cso_constraint_state *key) {
    memset(key, 0, sizeof *key);
    memcpy(key, s, state_size(s));
    if (s->step == STEP_FREE) {
        key->tokens = s->tokens >= c->max_tokens;
        if (c->max_bytes < UINT32_MAX) /* a token can make free text of what was the mark's beginning, and begin a character */
            key->count = least(c->max_bytes - (s->count - s->at), c->tokens->trie.longest + c->mark_size + 4);
    } else if (s->step == STEP_STRING) {
        key->count = distance(c, s->count, c->nodes[s->node].low, c->nodes[s->node].high);
    }
    for (size_t i = 0; i < s->depth; i++) {
        const constraint_node *node = &c->nodes[s->levels[i].node];
        if (node->kind == CONSTRAINT_ARRAY)
            key->levels[i].count = distance(c, s->levels[i].count, node->low, node->high);
    }
}

/* Adds the ids of strings[first .. end) of the trie. */
static void add_ids(const byte_trie *trie, uint32_t first, uint32_t end, uint64_t *mask) {
    for (uint32_t i = first; i < end; i++)
        mask[trie->values[i] / 64] |= UINT64_C(1) << trie->values[i] % 64;
}

/* Whether all tokens below the node are characters that this string, or free text, can take. */
static bool takes_all(const cso_constraint *c, const cso_constraint_state *s, uint32_t node) {
    if (s->part)
        return false;
    if (s->step == STEP_STRING) {
        uint16_t height = c->tokens->heights[node];
        return height && s->count < c->nodes[s->node].high && height <= c->nodes[s->node].high - s->count;
    }
    if (s->step != STEP_FREE || s->at || constraint_free_is_forced(c, s))
        return false;
    uint16_t height = c->free_heights[node];
    return height && (c->max_bytes == UINT32_MAX || height <= c->max_bytes - s->count);
}

static void walk(const cso_constraint *c, mask_cache *m, uint64_t *mask) {
    const byte_trie *trie = &c->tokens->trie;
    const byte_trie_node *nodes = trie->nodes;
    size_t depth = 0;
    m->ends[0] = trie->count;
    for (uint32_t node = 1; node < trie->count;) {
        while (node >= m->ends[depth])
            depth--;
        cso_constraint_state *before = &m->states[depth], *after = &m->states[depth + 1];
        if (takes_all(c, before, node)) {
            add_ids(trie, nodes[node].first, nodes[nodes[node].end].first, mask);
            node = nodes[node].end;
            continue;
        }
        memcpy(after, before, state_size(before));
        if (!constraint_step(c, after, nodes[node].byte)) {
            node = nodes[node].end;
            continue;
        }
        uint32_t here = byte_trie_here(trie, node);
        if (here && constraint_may_pause(c, after))
            add_ids(trie, nodes[node].first, nodes[node].first + here, mask);
        m->ends[++depth] = nodes[node].end;
        node++;
    }
}

/* Whether an id that ends replies may end the free text here. */
static bool free_may_end(const cso_constraint *c, const cso_constraint_state *s) {
    return c->free_ends && s->step == STEP_FREE && !s->part && !constraint_free_is_forced(c, s);
}

static void compute(const cso_constraint *c, const cso_constraint_state *s, uint64_t *mask) {
    size_t words = cso_token_trie_words(c->tokens);
    memset(mask, 0, words * sizeof *mask);
    if (cso_constraint_complete(c, s) || free_may_end(c, s))
        memcpy(mask, c->tokens->ends, words * sizeof *mask);
    memcpy(&c->cache->states[0], s, sizeof *s);
    walk(c, c->cache, mask);
}

static uint32_t *head_of(mask_cache *m, const cso_constraint_state *key) {
    return &m->heads[XXH3_64bits(key, state_size(key)) % HEADS];
}

static const uint64_t *find(mask_cache *m, const cso_constraint_state *key) {
    for (uint32_t i = *head_of(m, key); i; i = m->entries[i - 1].next)
        if (m->entries[i - 1].key.depth == key->depth && !memcmp(&m->entries[i - 1].key, key, state_size(key)))
            return m->entries[i - 1].mask;
    return NULL;
}

static void unlink_entry(mask_cache *m, size_t index) {
    uint32_t *link = head_of(m, &m->entries[index].key);
    while (*link != index + 1)
        link = &m->entries[*link - 1].next;
    *link = m->entries[index].next;
}

/* Room for one more mask: a new one, or the oldest's. NULL for lack of memory. */
static uint64_t *add(mask_cache *m, const cso_constraint_state *key, size_t words) {
    size_t index = m->count;
    if (m->count < m->most) {
        if (!cso_grow(&m->entries, &m->capacity, m->count + 1, sizeof *m->entries))
            return NULL;
        m->entries[index].mask = cso_calloc(words, sizeof(uint64_t));
        if (!m->entries[index].mask)
            return NULL;
        m->count++;
    } else {
        index = m->oldest++ % m->most;
        unlink_entry(m, index);
    }
    mask_entry *entry = &m->entries[index];
    uint32_t *head = head_of(m, key);
    memcpy(&entry->key, key, sizeof *key);
    entry->next = *head;
    *head = (uint32_t)index + 1;
    return entry->mask;
}

cso_status cso_constraint_mask(const cso_constraint *c, const cso_constraint_state *state, uint64_t *mask, cso_error *err) {
    mask_cache *m = c->cache;
    size_t words = cso_token_trie_words(c->tokens);
    cso_constraint_state key;
    make_key(c, state, &key);
    pthread_mutex_lock(&m->lock);
    const uint64_t *known = find(m, &key);
    if (!known) {
        uint64_t *added = add(m, &key, words);
        if (added)
            compute(c, state, added);
        known = added;
    }
    if (known)
        memcpy(mask, known, words * sizeof *mask);
    pthread_mutex_unlock(&m->lock);
    return known ? CSO_OK : cso_fail_memory(err, "a constraint's masks");
}

bool cso_constraint_advance(const cso_constraint *c, cso_constraint_state *state, int32_t id) {
    const cso_token_trie *t = c->tokens;
    if (id < 0 || (size_t)id >= t->vocab)
        return false;
    if (t->ends[id / 64] >> (id % 64) & 1) {
        if (!free_may_end(c, state))
            return cso_constraint_complete(c, state);
        state->tokens = UINT32_MAX;
        return true;
    }
    cso_constraint_state next = *state;
    uint32_t begin = t->begins[id], end = t->begins[id + 1];
    for (uint32_t i = begin; i < end; i++)
        if (!constraint_step(c, &next, (uint8_t)t->pool[i]))
            return false;
    if (begin == end || !constraint_may_pause(c, &next))
        return false;
    constraint_token_over(c, &next);
    *state = next;
    return true;
}
