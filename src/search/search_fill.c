/* search_fill.c - negatives for turns that have none: an option of the published code. */
#include "search_parts.h"

#include "base/memory.h"

#include <stdlib.h>

static bool has_negative(const search *s, const cso_extract_mark *marks, size_t node) {
    for (size_t i = s->tree->nodes[s->tree->nodes[node].parent].first_child; i != CSO_NO_NODE; i = s->tree->nodes[i].next_sibling)
        if (marks[i] == CSO_MARK_NEGATIVE)
            return true;
    return false;
}

/* Generates the lazy siblings of a node, and gives each the reward of a simulation as its value, without backing it up. */
static cso_status fill_beside(search *s, size_t node, cso_error *err) {
    for (size_t i = s->tree->nodes[s->tree->nodes[node].parent].first_child; i != CSO_NO_NODE; i = s->tree->nodes[i].next_sibling) {
        double reward;
        if (s->tree->nodes[i].generated)
            continue;
        CSO_TRY(search_generate(s, i, err));
        CSO_TRY(search_simulate(s, i, &reward, err));
        s->tree->nodes[i].q = reward;
        s->tree->nodes[i].filled = true;
    }
    return CSO_OK;
}

/* Depth first, as the records are written. */
static cso_status fill_below(search *s, const cso_extract_mark *marks, size_t node, cso_error *err) {
    for (size_t i = s->tree->nodes[node].first_child; i != CSO_NO_NODE; i = s->tree->nodes[i].next_sibling) {
        if (marks[i] != CSO_MARK_PREFERRED)
            continue;
        if (!has_negative(s, marks, i))
            CSO_TRY(fill_beside(s, i, err));
        CSO_TRY(fill_below(s, marks, i, err));
    }
    return CSO_OK;
}

cso_status search_fill_negatives(search *s, cso_error *err) {
    cso_extract_mark *marks = cso_calloc(s->tree->count, sizeof *marks);
    if (!marks)
        return cso_fail_memory(err, "the marks of a tree");
    cso_extract_marks(s->result, s->plan->extract, marks);
    cso_status status = fill_below(s, marks, 0, err);
    free(marks);
    return status;
}
