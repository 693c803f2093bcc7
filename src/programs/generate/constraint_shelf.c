#include "constraint_shelf.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct kept_constraint {
    cso_constraint *constraint;
    char *key;
    kept_constraint *next;
};

void constraint_shelf_free(constraint_shelf *shelf) {
    while (shelf->first) {
        kept_constraint *kept = shelf->first;
        shelf->first = kept->next;
        cso_constraint_free(kept->constraint);
        free(kept->key);
        free(kept);
    }
    cso_token_trie_free(shelf->trie);
    shelf->trie = NULL;
}

/* So that the rest is left for what comes after it. */
static size_t free_tokens(const reply_options *o) {
    return o->max_tokens > 1 ? o->max_tokens / 2 : 1;
}

/* What the constraint is made of: equal keys stand for equal constraints. NULL: no memory. */
static char *key_of(const reply_options *o) {
    cso_text key = {0};
    cso_text_format(&key, "%s ", o->schema ? "schema" : "choices");
    cso_text_format(&key, "%zu ", o->after ? free_tokens(o) : 0);
    cso_text_json_string(&key, o->after ? o->after : "", o->after ? strlen(o->after) : 0);
    for (size_t i = 0; i < o->choices.count; i++)
        cso_text_json_string(&key, o->choices.items[i], strlen(o->choices.items[i]));
    if (o->schema)
        cso_text_add(&key, o->schema, strlen(o->schema));
    if (!key.failed)
        return key.data;
    free(key.data);
    return NULL;
}

static cso_status compile(kept_constraint *kept, const constraint_shelf *shelf, const reply_options *o, const char *place,
                          cso_error *err) {
    const cso_free_text before = {.mark = o->after, .max_tokens = free_tokens(o)}, *free_text = o->after ? &before : NULL;
    if (o->schema)
        return cso_constraint_schema(&kept->constraint, shelf->trie, o->schema, strlen(o->schema), place, free_text, err);
    cso_status status = cso_constraint_choice(&kept->constraint, shelf->trie, (const char *const *)o->choices.items,
                                              o->choices.count, free_text, err);
    return status == CSO_OK ? status : cso_error_prefix(err, status, "%s", place);
}

/* Takes the key. */
static cso_status add(constraint_shelf *shelf, const reply_options *o, char *key, const char *place, cso_error *err) {
    kept_constraint *kept = cso_calloc(1, sizeof *kept);
    cso_status status = kept ? compile(kept, shelf, o, place, err) : cso_fail_memory(err, "a constraint");
    if (status != CSO_OK) {
        free(kept);
        free(key);
        return status;
    }
    kept->key = key;
    kept->next = shelf->first;
    shelf->first = kept;
    return CSO_OK;
}

cso_status constraint_shelf_get(constraint_shelf *shelf, const reply_options *o, const char *place,
                                const cso_constraint **constraint, cso_error *err) {
    *constraint = NULL;
    if (!o->schema && !o->choices.count)
        return CSO_OK;
    if (!shelf->trie)
        CSO_TRY(
            cso_token_trie_create(&shelf->trie, shelf->tokenizer, shelf->stops, sizeof shelf->stops / sizeof *shelf->stops, err));
    char *key = key_of(o);
    if (!key)
        return cso_fail_memory(err, "a constraint");
    const kept_constraint *kept = shelf->first;
    while (kept && strcmp(kept->key, key) != 0)
        kept = kept->next;
    if (kept) {
        free(key);
    } else {
        CSO_TRY(add(shelf, o, key, place, err));
        kept = shelf->first;
    }
    *constraint = kept->constraint;
    return CSO_OK;
}
