/* turns.c - see turns.h. */
#include "turns.h"

#include "base/memory.h"

#include <stdlib.h>

cso_status cso_search_turns_add(cso_search_turns *turns, const char *strategy, const char *supporter, const char *seeker,
                                cso_error *err) {
    if (!cso_grow(&turns->items, &turns->capacity, turns->count + 1, sizeof *turns->items))
        return cso_fail_memory(err, "a dialogue");
    turns->items[turns->count++] = (cso_prompt_turn){strategy, supporter, seeker};
    return CSO_OK;
}

cso_status cso_search_turns_to(cso_search_turns *turns, const cso_search_tree *tree, size_t node, cso_error *err) {
    const cso_search_node *n = &tree->nodes[node];
    if (n->parent == CSO_NO_NODE)
        turns->count = 0;
    else
        CSO_TRY(cso_search_turns_to(turns, tree, n->parent, err));
    return cso_search_turns_add(turns, n->strategy == CSO_NO_NODE ? CSO_START_STRATEGY : tree->strategies[n->strategy], n->reply,
                                n->answer, err);
}

void cso_search_turns_free(cso_search_turns *turns) {
    free(turns->items);
    *turns = (cso_search_turns){0};
}
