/* chat_state.h - a chat in a terminal: what its files share. */
#ifndef CSO_CHAT_STATE_H
#define CSO_CHAT_STATE_H

#include "chat_branches.h"
#include "generate_session.h"
#include "line_editor.h"

typedef struct chat {
    generate_session *session;
    line_editor *editor;
    chat_branches branches;
    bool strategies;    /* every reply begins with one */
    bool terminal;      /* standard output is one; lines are broken at its width */
    bool colour;        /* it shows bold type */
    bool blocks;        /* it shows signs beyond ASCII */
    const char *forced; /* the strategy of the next reply; NULL: the model's own */
    size_t made;        /* replies so far */
    char *saved;        /* the file of the last /save */
    bool long_told;     /* that the dialogue is longer than the model was trained for */
    bool over;
} chat;

/* Columns for text: those of the terminal, at most as many as lines are easy to read at. */
size_t chat_columns(const chat *c);
/* One line of the program's own, cut nowhere, broken at the width of the terminal. */
void chat_say(const chat *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* chat_reply.c: adds a message of the user and the model's reply to it, which is shown as it comes. Ctrl-C ends the reply, which keeps
 * what there is. What the chat template refuses is told, and the message is taken back. */
cso_status chat_reply(chat *c, const char *text, size_t size, cso_error *err);

/* chat_commands.c: a line that begins with '/'. A wrong command is told. */
cso_status chat_command(chat *c, const char *line, size_t size, cso_error *err);
/* Shows the last exchange, a line each, so that a person sees where the dialogue is. */
void chat_show_last(const chat *c);
/* The names of the commands with their '/', NULL-terminated. */
extern const char *const chat_command_names[];

#endif
