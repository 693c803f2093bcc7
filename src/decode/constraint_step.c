/* constraint_step.c - the automaton: one byte, and what may follow it. */
#include "constraint_parts.h"

#include <string.h>

/* A value of this node comes next; blank: after one blank, perhaps. */
static void expect(cso_constraint_state *s, uint32_t node, bool blank) {
    s->step = STEP_VALUE;
    s->part = blank;
    s->node = node;
    s->at = s->count = 0;
    s->value = 0;
}

/* A value is over. */
static void finish(cso_constraint_state *s) {
    s->step = s->depth ? STEP_AFTER : STEP_END;
    s->part = 0;
    s->node = s->at = s->count = 0;
    s->value = 0;
}

static bool is_last_text(const cso_constraint *c, const cso_constraint_state *s) {
    return !c->sequence || s->node + 1 == c->n_nodes;
}

static void finish_text(const cso_constraint *c, cso_constraint_state *s) {
    if (is_last_text(c, s))
        finish(s);
    else
        expect(s, s->node + 1, false);
}

static bool enter(cso_constraint_state *s, uint8_t step) {
    if (s->depth == CSO_CONSTRAINT_DEPTH)
        return false; /* the schema's reader has seen to it */
    s->levels[s->depth++] = (cso_constraint_level){.node = s->node};
    s->step = step;
    s->part = 0;
    s->node = 0;
    return true;
}

static bool leave(cso_constraint_state *s) {
    s->levels[--s->depth] = (cso_constraint_level){0};
    finish(s);
    return true;
}

/* The first byte of a value; *again: it is for the state that the value begins in. */
static bool begin_value(const cso_constraint *c, cso_constraint_state *s, uint8_t byte, bool *again) {
    const constraint_node *node = &c->nodes[s->node];
    if (byte == ' ' && s->part) {
        s->part = 0;
        return true;
    }
    if (!(node->begins[byte / 64] >> byte % 64 & 1))
        return false;
    s->part = 0;
    switch (node->kind) {
    case CONSTRAINT_STRING:
        s->step = STEP_STRING;
        return true;
    case CONSTRAINT_OBJECT:
        return enter(s, STEP_FIRST_KEY);
    case CONSTRAINT_ARRAY:
        return enter(s, STEP_FIRST_ITEM);
    case CONSTRAINT_TEXTS:
        s->step = STEP_TEXT;
        break;
    case CONSTRAINT_NUMBER:
        s->step = STEP_NUMBER;
        break;
    case CONSTRAINT_INTEGER:
        s->step = STEP_INTEGER;
        break;
    case CONSTRAINT_LINE:
        s->step = STEP_LINE;
        break;
    case CONSTRAINT_ANY:
        for (uint32_t i = 0; i < node->count; i++)
            if (c->nodes[node->nodes[i]].begins[byte / 64] >> byte % 64 & 1)
                s->node = node->nodes[i];
        break;
    }
    *again = true;
    return true;
}

bool constraint_free_is_forced(const cso_constraint *c, const cso_constraint_state *s) {
    return s->tokens >= c->max_tokens; /* UINT32_MAX tokens: an end was chosen */
}

static bool free_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte) {
    bool in_mark = s->at > 0;
    if (constraint_free_is_forced(c, s) && (in_mark || !s->part) && byte != (uint8_t)c->mark[s->at])
        return false;
    if (!byte || !utf8_step(&s->part, byte))
        return false;
    while (s->at && (uint8_t)c->mark[s->at] != byte)
        s->at = c->fallback[s->at - 1];
    s->at += (uint8_t)c->mark[s->at] == byte;
    if (c->max_bytes < UINT32_MAX) { /* where the mark goes on, what it has is no free text, nor is its unfinished character */
        s->count++;
        if (s->count - s->at + (s->at ? 0 : utf8_missing(s->part)) > c->max_bytes)
            return false;
    }
    if (s->at == c->mark_size) {
        s->tokens = 0;
        expect(s, 0, false);
    }
    return true;
}

/* Whether a key below this node of an object's trie may come now. */
static bool has_key(const constraint_node *object, uint32_t at, uint32_t from) {
    const byte_trie *keys = &object->trie;
    uint32_t last = object->properties[from].last;
    for (uint32_t i = keys->nodes[at].first; i < keys->nodes[keys->nodes[at].end].first; i++)
        if (keys->values[i] >= from && keys->values[i] <= last)
            return true;
    return false;
}

static bool key_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte) {
    cso_constraint_level *level = &s->levels[s->depth - 1];
    const constraint_node *object = &c->nodes[level->node];
    if (level->count >= object->count)
        return false;
    uint32_t next = byte_trie_child(&object->trie, s->at, byte);
    if (!next || !has_key(object, next, level->count))
        return false;
    s->step = STEP_IN_KEY;
    s->at = next;
    if (byte_trie_is_leaf(&object->trie, next)) { /* no key begins another one: they end in quote and colon */
        uint32_t property = object->trie.values[object->trie.nodes[next].first];
        level->count = property + 1;
        expect(s, object->properties[property].node, true);
    }
    return true;
}

static bool first_item(const cso_constraint *c, cso_constraint_state *s, uint8_t byte, bool *again) {
    cso_constraint_level *level = &s->levels[s->depth - 1];
    const constraint_node *array = &c->nodes[level->node];
    if (byte == ']' && !array->low)
        return leave(s);
    if (!array->high)
        return false;
    level->count = 1;
    expect(s, array->nodes[0], false);
    *again = true;
    return true;
}

/* After a value inside an array or object: another one, or its end. */
static bool after_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte) {
    cso_constraint_level *level = &s->levels[s->depth - 1];
    const constraint_node *node = &c->nodes[level->node];
    bool object = node->kind == CONSTRAINT_OBJECT;
    if (byte == (object ? '}' : ']'))
        return level->count >= (object ? node->n_required : node->low) && leave(s);
    if (byte != ',' || level->count >= (object ? node->count : node->high))
        return false;
    if (object) {
        s->step = STEP_KEY;
        s->part = 1;
    } else {
        if (level->count < UINT32_MAX - 1)
            level->count++;
        expect(s, node->nodes[0], true);
    }
    return true;
}

static bool text_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte, bool *again) {
    const byte_trie *texts = &c->nodes[s->node].trie;
    uint32_t next = byte_trie_child(texts, s->at, byte);
    if (next) {
        s->at = next;
        if (byte_trie_is_leaf(texts, next))
            finish_text(c, s);
        return true;
    }
    if (!s->at || !byte_trie_here(texts, s->at))
        return false;
    finish_text(c, s);
    *again = true;
    return true;
}

static bool take(cso_constraint_state *s, constraint_taken taken, bool *again) {
    if (taken == VALUE_OVER) {
        finish(s);
        *again = true;
    }
    return taken != BYTE_REFUSED;
}

/* *again: the state has changed, and the byte is still to be taken. */
static bool step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte, bool *again) {
    bool over;
    switch (s->step) {
    case STEP_FREE:
        return free_step(c, s, byte);
    case STEP_VALUE:
        return begin_value(c, s, byte, again);
    case STEP_TEXT:
        return text_step(c, s, byte, again);
    case STEP_STRING:
        if (!string_step(&c->nodes[s->node], s, byte, &over))
            return false;
        if (over)
            finish(s);
        return true;
    case STEP_NUMBER:
        return take(s, number_step(s, byte), again);
    case STEP_INTEGER:
        return take(s, integer_step(&c->nodes[s->node], s, byte), again);
    case STEP_FIRST_KEY:
        return byte == '}' ? !c->nodes[s->levels[s->depth - 1].node].n_required && leave(s) : key_step(c, s, byte);
    case STEP_KEY:
        if (byte == ' ' && s->part) {
            s->part = 0;
            return true;
        }
        s->part = 0;
        return key_step(c, s, byte);
    case STEP_IN_KEY:
        return key_step(c, s, byte);
    case STEP_FIRST_ITEM:
        return first_item(c, s, byte, again);
    case STEP_AFTER:
        return after_step(c, s, byte);
    case STEP_LINE:
        return line_step(c, s, byte);
    case STEP_LINE_BREAK:
        return byte == '\n';
    default:
        return false;
    }
}

bool constraint_step(const cso_constraint *c, cso_constraint_state *s, uint8_t byte) {
    bool again, taken;
    do {
        again = false;
        taken = step(c, s, byte, &again);
    } while (again);
    return taken;
}

bool constraint_may_pause(const cso_constraint *c, const cso_constraint_state *s) {
    bool unfinished = (s->step == STEP_STRING && string_in_character(s)) || (s->step == STEP_FREE && s->part && !s->at) ||
                      (s->step == STEP_LINE && line_in_character(s));
    return !unfinished || c->tokens->continuations;
}

void constraint_token_over(const cso_constraint *c, cso_constraint_state *s) {
    if (s->step == STEP_FREE && c->max_tokens < UINT32_MAX && s->tokens < UINT32_MAX)
        s->tokens++;
    if (s->step == STEP_LINE_BREAK)
        s->step = STEP_END;
}

cso_constraint_state cso_constraint_start(const cso_constraint *c) {
    cso_constraint_state state;
    memset(&state, 0, sizeof state);
    state.step = c->mark ? STEP_FREE : STEP_VALUE;
    return state;
}

bool cso_constraint_complete(const cso_constraint *c, const cso_constraint_state *s) {
    if (s->depth)
        return false;
    switch (s->step) {
    case STEP_END:
        return true;
    case STEP_TEXT:
        return s->at && byte_trie_here(&c->nodes[s->node].trie, s->at) && is_last_text(c, s);
    case STEP_LINE:
        return line_may_end(s);
    case STEP_LINE_BREAK:
        return true;
    case STEP_NUMBER:
        return number_may_end(s);
    case STEP_INTEGER:
        return integer_may_end(&c->nodes[s->node], s);
    default:
        return false;
    }
}

bool cso_constraint_ends(const cso_constraint *c, const cso_constraint_state *s) {
    if (!cso_constraint_complete(c, s))
        return false;
    for (int byte = 0; byte < 256; byte++) {
        cso_constraint_state next = *s;
        if (constraint_step(c, &next, (uint8_t)byte))
            return false;
    }
    return true;
}

/* The only byte that can come, with the state after it; -1: there are several, or none. */
static int only_byte(const cso_constraint *c, const cso_constraint_state *s, cso_constraint_state *after) {
    int only = -1;
    for (int byte = 0; byte < 256; byte++) {
        cso_constraint_state next = *s;
        if (!constraint_step(c, &next, (uint8_t)byte))
            continue;
        if (only >= 0)
            return -1;
        only = byte;
        *after = next;
    }
    return only;
}

size_t cso_constraint_forced(const cso_constraint *c, const cso_constraint_state *state, char *text, size_t capacity) {
    cso_constraint_state s = *state, next;
    size_t size = 0, whole = 0;
    uint8_t part = 0;
    while (size < capacity && !cso_constraint_complete(c, &s)) {
        int byte = only_byte(c, &s, &next);
        if (byte < 0 || !utf8_step(&part, (uint8_t)byte))
            break;
        text[size++] = (char)byte;
        s = next;
        if (!part)
            whole = size;
    }
    return whole;
}
