/* prompt_rows.h - what is to be answered: the prompts of a file or of the command line, rendered, each with its options. */
#ifndef CSO_PROMPT_ROWS_H
#define CSO_PROMPT_ROWS_H

#include "data/strategies.h"
#include "reply_options.h"
#include "text/chat.h"

typedef struct prompt_row {
    cso_ids ids;
    size_t index; /* of the record in the input */
    size_t turn;  /* of an ESC-Pro tree: index of the message that the reply stands for */
    bool has_turn;
    size_t first;                 /* position of its first reply among those of all rows */
    const char *place;            /* "FILE:LINE", for errors; in the arena */
    const reply_options *options; /* in the arena, or the defaults */
} prompt_row;

/* How records are read; what it points to must outlive the rows. */
typedef struct row_settings {
    const cso_chat_template *chat;
    const cso_tokenizer *tokenizer;
    size_t vocab; /* ids are below it */
    const reply_options *defaults;
    const cso_strategies *strategies;
    const char
        *system_prompt; /* before what has no system message of its own; NULL: nothing, but of ESC-Pro trees the prompt of the
                                * strategies. "": nothing at all */
    bool parse_special;
} row_settings;

/* Zero-initialise but for the settings. */
typedef struct prompt_rows {
    row_settings settings;
    prompt_row *items; /* (count) */
    size_t count, capacity;
    size_t replies; /* of all rows */
    bool chat;      /* the input was one dialogue without options: an array of messages, or {"messages"} */
    cso_arena arena;
} prompt_rows;

/* The row that the reply at a position belongs to. */
const prompt_row *prompt_rows_of_reply(const prompt_rows *rows, size_t position);

/* One user message. place: where it comes from, for errors. */
cso_status prompt_rows_add_text(prompt_rows *rows, const char *text, const char *place, cso_error *err);
/* A file of rows, JSON Lines or an array; or one dialogue. "-" is standard input. Every row is checked before any reply is made. */
cso_status prompt_rows_read(prompt_rows *rows, const char *path, cso_error *err);
void prompt_rows_free(prompt_rows *rows);

/* A strategy's name, or a failure with that status and the nearest name. */
cso_status check_strategy(const cso_strategies *strategies, const char *name, const char *place, cso_status status, cso_error *err);

#endif
