/* turns.h - a talk as the roles are shown it: the supporter's and the seeker's texts in turn. */
#ifndef CSO_SEARCH_TURNS_H
#define CSO_SEARCH_TURNS_H

#include "prompts.h"
#include "search_tree.h"

typedef struct cso_search_turns {
    cso_prompt_turn *items; /* (count) the greeting first; the texts belong to others */
    size_t count, capacity;
} cso_search_turns;

cso_status cso_search_turns_add(cso_search_turns *turns, const char *strategy, const char *supporter, const char *seeker,
                                cso_error *err);
/* The turns from the root to a node. They point into the tree, whose texts stay where they are. */
cso_status cso_search_turns_to(cso_search_turns *turns, const cso_search_tree *tree, size_t node, cso_error *err);
void cso_search_turns_free(cso_search_turns *turns); /* takes a zeroed one too */

#endif
