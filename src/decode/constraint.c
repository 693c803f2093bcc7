/* constraint.c - making constraints: choices among texts, and free text before. */
#include "constraint.h"

#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "constraint_parts.h"
#include "constraint_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cso_constraint_free(cso_constraint *c) {
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        byte_trie_free(&c->nodes[i].trie);
        free(c->nodes[i].nodes);
        free(c->nodes[i].properties);
    }
    free(c->nodes);
    free(c->mark);
    free(c->free_heights);
    mask_cache_free(c->cache);
    line_marks_free(&c->marks);
    free(c);
}

cso_status constraint_add_node(cso_constraint *c, constraint_kind kind, uint32_t *node, cso_error *err) {
    if (!cso_grow(&c->nodes, &c->node_capacity, c->n_nodes + 1, sizeof *c->nodes))
        return cso_fail_memory(err, "a constraint");
    c->nodes[c->n_nodes] = (constraint_node){.kind = kind};
    *node = c->n_nodes++;
    return CSO_OK;
}

cso_status constraint_check_bytes(const cso_token_trie *tokens, const char *text, size_t size, const char *place, cso_error *err) {
    for (size_t i = 0; i < size; i++)
        if (!tokens->bytes[(uint8_t)text[i]]) {
            char shown[64];
            snprintf(shown, sizeof shown, "%.*s", (int)(size < 40 ? size : 40), text);
            char safe[256];
            return cso_fail(err, CSO_ERR_INPUT, "%s: the model's vocabulary has no token for the byte 0x%02X of \"%s\"", place,
                            (unsigned)(uint8_t)text[i], cso_printable(safe, sizeof safe, shown));
        }
    return CSO_OK;
}

cso_status constraint_set_texts(cso_constraint *c, uint32_t node, byte_trie_string *texts, uint32_t count, const char *place,
                                cso_error *err) {
    for (uint32_t i = 0; i < count; i++) {
        c->texts += texts[i].size;
        if (c->texts > CSO_CONSTRAINT_TEXTS)
            return cso_fail(err, CSO_ERR_INPUT, "%s: the texts of a constraint have over %d bytes together", place,
                            CSO_CONSTRAINT_TEXTS);
        CSO_TRY(constraint_check_bytes(c->tokens, texts[i].text, texts[i].size, place, err));
    }
    CSO_TRY(byte_trie_build(&c->nodes[node].trie, texts, count, err));
    const byte_trie *trie = &c->nodes[node].trie;
    for (uint32_t child = 1; child < trie->count; child = trie->nodes[child].end)
        constraint_begin_with(&c->nodes[node], trie->nodes[child].byte);
    return CSO_OK;
}

static cso_status check_text(const char *text, const char *place, cso_error *err) {
    size_t bad;
    if (!text[0])
        return cso_fail(err, CSO_ERR_INPUT, "%s: is empty", place);
    if (strlen(text) > CSO_CONSTRAINT_TEXTS)
        return cso_fail(err, CSO_ERR_INPUT, "%s: has over %d bytes", place, CSO_CONSTRAINT_TEXTS);
    if (!cso_utf8_check(text, strlen(text), &bad))
        return cso_fail(err, CSO_ERR_INPUT, "%s: byte %zu is not UTF-8", place, bad + 1);
    return CSO_OK;
}

static cso_status set_mark(cso_constraint *c, const cso_free_text *free_text, cso_error *err) {
    const char *mark = free_text->mark;
    if (!mark)
        return cso_fail(err, CSO_ERR_INTERNAL, "free text without a mark");
    size_t size = strlen(mark);
    CSO_TRY(check_text(mark, "the mark after free text", err));
    if (size > CSO_CONSTRAINT_MARK)
        return cso_fail(err, CSO_ERR_INPUT, "the mark after free text: has %zu bytes (expected at most %d)", size,
                        CSO_CONSTRAINT_MARK);
    CSO_TRY(constraint_check_bytes(c->tokens, mark, size, "the mark after free text", err));
    c->mark = cso_strdup(mark);
    if (!c->mark)
        return cso_fail_memory(err, "a constraint");
    c->mark_size = (uint32_t)size;
    for (uint32_t i = 1, length = 0; i < c->mark_size; i++) {
        while (length && mark[i] != mark[length])
            length = c->fallback[length - 1];
        length += mark[i] == mark[length];
        c->fallback[i] = length;
    }
    uint32_t most = UINT32_MAX / 2;
    if (free_text->max_bytes && free_text->max_bytes < most)
        c->max_bytes = (uint32_t)free_text->max_bytes;
    if (free_text->max_tokens && free_text->max_tokens < most)
        c->max_tokens = (uint32_t)free_text->max_tokens;
    c->free_ends = free_text->ends;
    bool plain[256] = {false};
    for (int byte = 1; byte < 0x80; byte++)
        plain[byte] = byte != mark[0];
    return token_trie_heights(c->tokens, plain, &c->free_heights, err);
}

static cso_status create(cso_constraint **constraint, const cso_token_trie *trie, const cso_free_text *free_text, cso_error *err) {
    cso_constraint *c = cso_calloc(1, sizeof *c);
    *constraint = NULL;
    if (!c)
        return cso_fail_memory(err, "a constraint");
    c->tokens = trie;
    c->max_bytes = c->max_tokens = UINT32_MAX;
    cso_status status = mask_cache_create(&c->cache, trie, err);
    if (status == CSO_OK && free_text)
        status = set_mark(c, free_text, err);
    if (status != CSO_OK) {
        cso_constraint_free(c);
        return status;
    }
    *constraint = c;
    return CSO_OK;
}

/* A constraint that could not be made is freed. */
static cso_status done(cso_constraint **constraint, cso_status status) {
    if (status != CSO_OK) {
        cso_constraint_free(*constraint);
        *constraint = NULL;
    }
    return status;
}

/* One more node with texts. */
static cso_status add_choices(cso_constraint *c, const char *const *texts, size_t count, cso_error *err) {
    char place[64];
    uint32_t node = 0;
    if (!count || count > CSO_CONSTRAINT_TEXTS)
        return cso_fail(err, CSO_ERR_INPUT, "%zu texts to choose from (expected 1 to %d)", count, CSO_CONSTRAINT_TEXTS);
    byte_trie_string *strings = cso_calloc(count, sizeof *strings);
    if (!strings)
        return cso_fail_memory(err, "a constraint");
    cso_status status = constraint_add_node(c, CONSTRAINT_TEXTS, &node, err);
    for (size_t i = 0; i < count && status == CSO_OK; i++) {
        snprintf(place, sizeof place, "choice %zu", i + 1);
        status = check_text(texts[i], place, err);
        if (status == CSO_OK)
            strings[i] = (byte_trie_string){texts[i], (uint32_t)strlen(texts[i]), (uint32_t)i};
    }
    if (status == CSO_OK)
        status = constraint_set_texts(c, node, strings, (uint32_t)count, "the texts to choose from", err);
    free(strings);
    return status;
}

cso_status cso_constraint_choice(cso_constraint **constraint, const cso_token_trie *trie, const char *const *texts, size_t count,
                                 const cso_free_text *free_text, cso_error *err) {
    CSO_TRY(create(constraint, trie, free_text, err));
    return done(constraint, add_choices(*constraint, texts, count, err));
}

static cso_status add_parts(cso_constraint *c, const cso_form_part *parts, size_t n, cso_error *err) {
    if (!n)
        return cso_fail(err, CSO_ERR_INPUT, "a form has no parts");
    c->sequence = true;
    for (size_t i = 0; i < n; i++)
        CSO_TRY(add_choices(c, parts[i].texts, parts[i].count, err));
    return CSO_OK;
}

cso_status cso_constraint_form(cso_constraint **constraint, const cso_token_trie *trie, const cso_form_part *parts, size_t n,
                               const cso_free_text *free_text, cso_error *err) {
    CSO_TRY(create(constraint, trie, free_text, err));
    return done(constraint, add_parts(*constraint, parts, n, err));
}

static cso_status add_line(cso_constraint *c, const cso_line *line, cso_error *err) {
    uint32_t node = 0;
    CSO_TRY(constraint_add_node(c, CONSTRAINT_LINE, &node, err));
    for (int byte = 0; byte < 256; byte++)
        constraint_begin_with(&c->nodes[node], (uint8_t)byte);
    return line_marks_build(&c->marks, line, err);
}

cso_status cso_constraint_line(cso_constraint **constraint, const cso_token_trie *trie, const cso_line *line, cso_error *err) {
    CSO_TRY(create(constraint, trie, NULL, err));
    return done(constraint, add_line(*constraint, line, err));
}

cso_status cso_constraint_schema(cso_constraint **constraint, const cso_token_trie *trie, const char *schema, size_t size,
                                 const char *place, const cso_free_text *free_text, cso_error *err) {
    CSO_TRY(create(constraint, trie, free_text, err));
    return done(constraint, constraint_read_schema(*constraint, schema, size, place, err));
}
