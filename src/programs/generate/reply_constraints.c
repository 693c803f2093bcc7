/* reply_constraints.c - see reply_constraints.h. */
#include "reply_constraints.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_UNUSED = 8 };

struct kept_constraint {
    cso_constraint *constraint;
    char *key;
    size_t users;
    kept_constraint *next;
};

static void drop(kept_constraint *kept) {
    cso_constraint_free(kept->constraint);
    free(kept->key);
    free(kept);
}

void reply_constraints_free(reply_constraints *constraints) {
    while (constraints->first) {
        kept_constraint *kept = constraints->first;
        constraints->first = kept->next;
        drop(kept);
    }
    cso_token_trie_free(constraints->trie);
    constraints->trie = NULL;
}

/* Unless it is said, so that half is left for what comes after it. */
static size_t free_tokens(const reply_options *o) {
    size_t half = o->max_tokens > 1 ? o->max_tokens / 2 : 1;
    return o->max_free_tokens ? o->max_free_tokens : half;
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
    cso_text_add(&key, "", 1);
    if (!key.failed)
        return key.data;
    free(key.data);
    return NULL;
}

static cso_status compile(kept_constraint *kept, const reply_constraints *constraints, const reply_options *o, const char *place,
                          cso_error *err) {
    const cso_free_text before = {.mark = o->after, .max_tokens = free_tokens(o)}, *free_text = o->after ? &before : NULL;
    if (o->schema)
        return cso_constraint_schema(&kept->constraint, constraints->trie, o->schema, strlen(o->schema), place, free_text, err);
    cso_status status = cso_constraint_choice(&kept->constraint, constraints->trie, (const char *const *)o->choices.items,
                                              o->choices.count, free_text, err);
    return status == CSO_OK ? status : cso_error_prefix(err, status, "%s", place);
}

/* Takes the key. */
static cso_status add(reply_constraints *constraints, const reply_options *o, char *key, const char *place, cso_error *err) {
    kept_constraint *kept = cso_calloc(1, sizeof *kept);
    cso_status status = kept ? compile(kept, constraints, o, place, err) : cso_fail_memory(err, "a constraint");
    if (status != CSO_OK) {
        free(kept);
        free(key);
        return status;
    }
    kept->key = key;
    kept->next = constraints->first;
    constraints->first = kept;
    return CSO_OK;
}

/* The one with this key comes first. */
static bool find(reply_constraints *constraints, const char *key) {
    for (kept_constraint **at = &constraints->first; *at; at = &(*at)->next)
        if (!strcmp((*at)->key, key)) {
            kept_constraint *found = *at;
            *at = found->next;
            found->next = constraints->first;
            constraints->first = found;
            return true;
        }
    return false;
}

cso_status reply_constraints_get(reply_constraints *constraints, const reply_options *o, const char *place,
                                 const cso_constraint **constraint, cso_error *err) {
    *constraint = NULL;
    if (!o->schema && !o->choices.count)
        return CSO_OK;
    if (!constraints->trie)
        CSO_TRY(cso_token_trie_create(&constraints->trie, constraints->tokenizer, constraints->stops,
                                      sizeof constraints->stops / sizeof *constraints->stops, err));
    char *key = key_of(o);
    if (!key)
        return cso_fail_memory(err, "a constraint");
    if (find(constraints, key))
        free(key);
    else
        CSO_TRY(add(constraints, o, key, place, err));
    constraints->first->users++;
    *constraint = constraints->first->constraint;
    return CSO_OK;
}

/* Those that were not asked for the longest go. */
static void drop_unused(reply_constraints *constraints) {
    size_t unused = 0;
    for (kept_constraint **at = &constraints->first; *at;) {
        kept_constraint *kept = *at;
        if (kept->users || ++unused <= MOST_UNUSED) {
            at = &kept->next;
            continue;
        }
        *at = kept->next;
        drop(kept);
    }
}

void reply_constraints_give_back(reply_constraints *constraints, const cso_constraint *constraint) {
    for (kept_constraint *kept = constraints->first; constraint && kept; kept = kept->next)
        kept->users -= kept->constraint == constraint;
    drop_unused(constraints);
}
