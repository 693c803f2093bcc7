/* chat_commands.c - /help, /strategy, /undo, /branch, /save, /quit. */
#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "chat_state.h"
#include "screen_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const chat_command_names[] = {"/branch", "/branches", "/help", "/quit", "/save", "/strategy", "/undo", NULL};
enum { COMMAND_COUNT = 7 };

static cso_status help(chat *c, const char *rest, cso_error *err) {
    static const char *const LINES[][2] = {
        {"/strategy NAME", "forces the strategy of the next reply; without a name it lists them"},
        {"/undo", "takes back your last message and the reply"},
        {"/branch", "keeps the dialogue as it is and goes on in a copy"},
        {"/branch N", "goes back to branch N"},
        {"/branches", "lists the branches"},
        {"/save FILE", "writes the dialogue as JSON messages, which --file reads"},
        {"/help", "shows this"},
        {"/quit", "leaves, as Ctrl-D does"},
    };
    (void)rest;
    (void)err;
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        screen_writer out = {.out = stdout, .width = chat_columns(c), .indent = chat_columns(c) >= 60 ? 16 : 4};
        printf("%-14s", LINES[i][0]);
        out.column = 14;
        out.blanks = 2;
        screen_write(&out, LINES[i][1], strlen(LINES[i][1]));
        screen_flush(&out);
        screen_writer_free(&out);
        putchar('\n');
    }
    chat_say(c, "Ctrl-C ends a reply; at the prompt it leaves.");
    return CSO_OK;
}

static cso_status quit(chat *c, const char *rest, cso_error *err) {
    (void)rest;
    (void)err;
    c->over = true;
    return CSO_OK;
}

/* The only strategy whose name begins so, whatever the capitals; NULL: none, or several. */
static const char *find_strategy(const cso_strategies *strategies, const char *name) {
    const char *found = NULL;
    for (size_t i = 0; i < strategies->count; i++) {
        const char *own = strategies->items[i].name;
        if (!strcasecmp(own, name))
            return own;
        if (strncasecmp(own, name, strlen(name)))
            continue;
        if (found)
            return NULL;
        found = own;
    }
    return found;
}

static cso_status strategy(chat *c, const char *rest, cso_error *err) {
    const cso_strategies *known = c->session->strategies;
    (void)err;
    if (!c->strategies) {
        chat_say(c, "This chat has no strategies (--strategies esc-pro, or a file).");
        return CSO_OK;
    }
    const char *found = *rest ? find_strategy(known, rest) : NULL;
    if (found) {
        c->forced = found;
        chat_say(c, "The next reply will use: %s", found);
        return CSO_OK;
    }
    if (*rest)
        chat_say(c, "\"%s\" is not the beginning of one strategy's name. They are:", rest);
    for (size_t i = 0; i < known->count; i++)
        chat_say(c, "  %s", known->items[i].name);
    return CSO_OK;
}

void chat_show_last(const chat *c) {
    cso_text line = {0};
    const chat_branch *branch = chat_branches_current(&c->branches);
    for (size_t i = branch->count >= 2 ? branch->count - 2 : 0; i < branch->count; i++) {
        const cso_message *m = &branch->messages[i];
        if (!strcmp(m->role, "system"))
            continue;
        cso_text_format(&line, "%s", !strcmp(m->role, "user") ? "  you: " : "  reply: ");
        screen_add_cut(&line, m->content, m->size, chat_columns(c) - 9);
        cso_text_add(&line, "\n", 1);
    }
    if (line.data && !line.failed)
        fwrite(line.data, 1, line.size, stdout);
    free(line.data);
}

static cso_status undo(chat *c, const char *rest, cso_error *err) {
    (void)rest;
    (void)err;
    if (!chat_branches_undo(&c->branches)) {
        chat_say(c, "There is nothing to take back.");
        return CSO_OK;
    }
    chat_say(c, "Taken back.");
    chat_show_last(c);
    return CSO_OK;
}

static cso_status branches(chat *c, const char *rest, cso_error *err) {
    cso_text text = {0};
    (void)rest;
    chat_branches_list(&c->branches, chat_columns(c), &text);
    cso_status status = text.failed ? cso_fail_memory(err, "a chat") : CSO_OK;
    if (status == CSO_OK)
        fwrite(text.data, 1, text.size, stdout);
    free(text.data);
    return status;
}

static cso_status branch(chat *c, const char *rest, cso_error *err) {
    char *end;
    size_t from = c->branches.current + 1;
    if (!*rest) {
        CSO_TRY(chat_branches_split(&c->branches, err));
        chat_say(c, "Branch %zu; /branch %zu goes back to what is kept.", c->branches.current + 1, from);
        return CSO_OK;
    }
    unsigned long number = strtoul(rest, &end, 10);
    if (*end || rest[0] < '0' || rest[0] > '9' || number < 1 || number > c->branches.count) {
        chat_say(c, "There is no branch \"%s\". These are there:", rest);
        return branches(c, "", err);
    }
    c->branches.current = number - 1;
    chat_say(c, "Branch %lu.", number);
    chat_show_last(c);
    return CSO_OK;
}

static cso_status save(chat *c, const char *rest, cso_error *err) {
    cso_text text = {0};
    cso_error problem = {0};
    if (!*rest) {
        chat_say(c, "/save needs a file's name.");
        return CSO_OK;
    }
    if (cso_path_exists(rest) && !(c->saved && !strcmp(c->saved, rest))) {
        chat_say(c, "%s is there already (expected a new file's name).", rest);
        return CSO_OK;
    }
    chat_branches_json(&c->branches, &text);
    char *name = cso_strdup(rest);
    if (text.failed || !name) {
        free(text.data);
        free(name);
        return cso_fail_memory(err, "a chat");
    }
    if (cso_save_text(rest, text.data, text.size, &problem) == CSO_OK)
        chat_say(c, "Saved to %s.", rest);
    else
        chat_say(c, "Not saved: %s", problem.message);
    free(text.data);
    free(c->saved);
    c->saved = name;
    return CSO_OK;
}

cso_status chat_command(chat *c, const char *line, size_t size, cso_error *err) {
    static cso_status (*const RUN[COMMAND_COUNT])(chat *, const char *, cso_error *) = {branch, branches, help, quit,
                                                                                        save,   strategy, undo};
    char *copy = cso_strndup(line, size);
    if (!copy)
        return cso_fail_memory(err, "a command");
    size_t name = strcspn(copy, " \t");
    char *rest = copy + name + strspn(copy + name, " \t"), *end = copy + size;
    while (end > rest && strchr(" \t", end[-1]))
        *--end = '\0';
    copy[name] = '\0';
    cso_status status = CSO_OK;
    size_t i = 0;
    while (i < COMMAND_COUNT && strcmp(chat_command_names[i], copy))
        i++;
    const char *near = i < COMMAND_COUNT ? NULL : cso_did_you_mean(copy, chat_command_names, COMMAND_COUNT);
    if (i < COMMAND_COUNT)
        status = RUN[i](c, rest, err);
    else if (near)
        chat_say(c, "Unknown command %s (did you mean %s?)", copy, near);
    else
        chat_say(c, "Unknown command %s (/help lists them).", copy);
    free(copy);
    return status;
}
