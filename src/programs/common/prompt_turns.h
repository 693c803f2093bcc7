/* prompt_turns.h - the messages that are answered: system messages, and the turns of ESC-Pro trees. */
#ifndef CSO_PROMPT_TURNS_H
#define CSO_PROMPT_TURNS_H

#include "data/messages.h"

#include <stdbool.h>
#include <stddef.h>

/* Puts a system message before a list that has none; text NULL or "": nothing. */
cso_status prompt_begin(message_list *list, const char *text, cso_error *err);

/* Whether a record with messages is an ESC-Pro tree: a turn names its strategy. */
bool prompt_is_tree(const cJSON *messages);

/* Is given the messages before a turn of the supporter, and the turn's index in the record. */
typedef cso_status (*prompt_visitor)(void *context, const cso_message *messages, size_t count, const size_t *turn, cso_error *err);

/* Visits the turns of the supporter in a tree. list is empty; it then has the whole dialogue, as training renders it. */
cso_status prompt_each_turn(message_list *list, const cJSON *messages, const char *system, const char *place, prompt_visitor visit,
                            void *context, cso_error *err);

#endif
