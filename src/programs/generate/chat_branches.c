/* chat_branches.c - see chat_branches.h. */
#include "chat_branches.h"

#include "base/memory.h"
#include "screen_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void drop_last(chat_branch *branch) {
    free((char *)branch->messages[--branch->count].content);
}

static void free_branch(chat_branch *branch) {
    while (branch->count)
        drop_last(branch);
    free(branch->messages);
}

cso_status chat_branches_init(chat_branches *branches, cso_error *err) {
    *branches = (chat_branches){0};
    if (!cso_grow(&branches->items, &branches->capacity, 1, sizeof *branches->items))
        return cso_fail_memory(err, "a chat");
    branches->items[branches->count++] = (chat_branch){0};
    return CSO_OK;
}

void chat_branches_free(chat_branches *branches) {
    for (size_t i = 0; i < branches->count; i++)
        free_branch(&branches->items[i]);
    free(branches->items);
    *branches = (chat_branches){0};
}

chat_branch *chat_branches_current(const chat_branches *branches) {
    return &branches->items[branches->current];
}

static cso_status say(chat_branch *branch, const char *role, const char *content, size_t size, cso_error *err) {
    char *copy = cso_strndup(content, size);
    if (!copy || !cso_grow(&branch->messages, &branch->capacity, branch->count + 1, sizeof *branch->messages)) {
        free(copy);
        return cso_fail_memory(err, "a chat");
    }
    branch->messages[branch->count++] = (cso_message){role, copy, size};
    return CSO_OK;
}

cso_status chat_branches_say(chat_branches *branches, const char *role, const char *content, size_t size, cso_error *err) {
    return say(chat_branches_current(branches), role, content, size, err);
}

bool chat_branches_undo(chat_branches *branches) {
    chat_branch *branch = chat_branches_current(branches);
    size_t last = branch->count;
    while (last && strcmp(branch->messages[last - 1].role, "user"))
        last--;
    if (!last)
        return false;
    while (branch->count >= last)
        drop_last(branch);
    return true;
}

cso_status chat_branches_split(chat_branches *branches, cso_error *err) {
    if (!cso_grow(&branches->items, &branches->capacity, branches->count + 1, sizeof *branches->items))
        return cso_fail_memory(err, "a chat");
    const chat_branch *from = chat_branches_current(branches);
    chat_branch copy = {0};
    for (size_t i = 0; i < from->count; i++) {
        cso_status status = say(&copy, from->messages[i].role, from->messages[i].content, from->messages[i].size, err);
        if (status != CSO_OK) {
            free_branch(&copy);
            return status;
        }
    }
    branches->items[branches->count] = copy;
    branches->current = branches->count++;
    return CSO_OK;
}

static size_t count_said(const chat_branch *branch) {
    return branch->count - (branch->count && !strcmp(branch->messages[0].role, "system"));
}

/* The last message of the user, which tells branches apart best; NULL: none. */
static const cso_message *last_of_user(const chat_branch *branch) {
    for (size_t i = branch->count; i-- > 0;)
        if (!strcmp(branch->messages[i].role, "user"))
            return &branch->messages[i];
    return NULL;
}

void chat_branches_list(const chat_branches *branches, size_t columns, cso_text *text) {
    for (size_t i = 0; i < branches->count; i++) {
        const chat_branch *branch = &branches->items[i];
        size_t said = count_said(branch);
        const cso_message *last = last_of_user(branch);
        char number[64];
        int used = snprintf(number, sizeof number, "%c %zu  %zu message%s", i == branches->current ? '*' : ' ', i + 1, said,
                            said == 1 ? "" : "s");
        cso_text_add(text, number, strlen(number));
        if (last && columns > (size_t)used + 3) {
            cso_text_add(text, "  ", 2);
            screen_add_cut(text, last->content, last->size, columns - (size_t)used - 3);
        }
        cso_text_add(text, "\n", 1);
    }
}

void chat_branches_json(const chat_branches *branches, cso_text *text) {
    const chat_branch *branch = chat_branches_current(branches);
    cso_text_add(text, "[", 1);
    for (size_t i = 0; i < branch->count; i++) {
        cso_text_format(text, "%s\n {\"role\": \"%s\", \"content\": ", i ? "," : "", branch->messages[i].role);
        cso_text_json_string(text, branch->messages[i].content, branch->messages[i].size);
        cso_text_add(text, "}", 1);
    }
    cso_text_add(text, "\n]\n", 3);
}
