/* chat_branches.h - the dialogues of a chat: one, and those that were split from it. */
#ifndef CSO_CHAT_BRANCHES_H
#define CSO_CHAT_BRANCHES_H

#include "io/json.h"
#include "text/chat.h"

#include <stddef.h>

typedef struct chat_branch {
    cso_message *messages; /* (count) contents are the branch's own, roles static */
    size_t count, capacity;
} chat_branch;

typedef struct chat_branches {
    chat_branch *items; /* (count), at least one */
    size_t count, capacity, current;
} chat_branches;

cso_status chat_branches_init(chat_branches *branches, cso_error *err);
void chat_branches_free(chat_branches *branches); /* a zeroed one is fine */
chat_branch *chat_branches_current(const chat_branches *branches);

/* Adds a copy of a message to the current branch; role: "system", "user" or "assistant". */
cso_status chat_branches_say(chat_branches *branches, const char *role, const char *content, size_t size, cso_error *err);
/* Takes away the last user message and what follows it; false: there is none. */
bool chat_branches_undo(chat_branches *branches);
/* A new branch with the messages of the current one becomes the current one. */
cso_status chat_branches_split(chat_branches *branches, cso_error *err);
/* A line for each branch, cut to the columns. */
void chat_branches_list(const chat_branches *branches, size_t columns, cso_text *text);
/* The current branch as a JSON array of messages. */
void chat_branches_json(const chat_branches *branches, cso_text *text);

#endif
