/* turn_group.h - consecutive ESC-Pro pairs of one prompt and one chosen reply, gathered to a list. */
#ifndef CSO_DATA_TURN_GROUP_H
#define CSO_DATA_TURN_GROUP_H

#include "reply_list.h"

/* Has copies of all texts, since records do not live as long. Zero-initialise. */
typedef struct turn_group {
    bool open;
    char place[768]; /* of the first pair */
    text_hash key, dialogue;
    message_list prompt, texts;
    reply_list list;
    size_t pairs, duplicates;
} turn_group;

/* Whether the pair has the prompt and the chosen reply of the group. */
bool turn_group_takes(const turn_group *group, const pair_source *pair);
/* Adds a pair, which opens an empty group. An empty reply and equal ones are CSO_ERR_INPUT, as in pairs. */
cso_status turn_group_add(turn_group *group, const pair_source *pair, const char *place, cso_error *err);
/* Gives the list, unless the group is empty, and empties it. *duplicates grows by the pairs that the list had already. */
cso_status turn_group_visit(turn_group *group, pair_source_visitor visit, void *context, size_t *duplicates, cso_error *err);
void turn_group_free(turn_group *group);

#endif
