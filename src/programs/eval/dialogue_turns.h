/* dialogue_turns.h - the turns that models are evaluated on: those of the supporter in ESC-Pro trees, tokenized for one model. */
#ifndef CSO_DIALOGUE_TURNS_H
#define CSO_DIALOGUE_TURNS_H

#include "api/open_model.h"
#include "base/arena.h"
#include "data/strategies.h"
#include "programs/common/args.h"

/* A reply as training has it, "(Strategy) text" with what the template writes behind it. */
typedef struct turn_reply {
    cso_ids ids; /* prompt and reply */
} turn_reply;

typedef struct dialogue_turn {
    size_t index;         /* of the record, over all files */
    size_t turn;          /* index of its message in the record */
    const char *place;    /* "FILE:LINE", in the arena */
    const char *strategy; /* of the reference, as in the set */
    const char *content;  /* (content_size) of the reference */
    size_t content_size;
    cso_ids prompt;      /* the real history, up to where the model answers */
    size_t start;        /* where the replies begin in their ids: at the prompt's end, or before it where tokens merge */
    turn_reply *replies; /* (n_replies) the reference, then those that are worse */
    size_t n_replies;
} dialogue_turn;

/* How records are read. */
typedef struct turn_settings {
    const opened_model *model;
    const cso_strategies *strategies;
    const char *system_prompt; /* before each dialogue; "": none */
} turn_settings;

/* Zero-initialise; dialogue_turns_free. */
typedef struct dialogue_turns {
    dialogue_turn *items; /* (count) by file and record */
    size_t count, capacity, records;
    cso_arena arena;
} dialogue_turns;

/* Errors: CSO_ERR_INPUT for what is no tree, an unknown strategy, and files without a turn. */
cso_status dialogue_turns_read(dialogue_turns *turns, const turn_settings *settings, const cso_arg_list *files, cso_error *err);
void dialogue_turns_free(dialogue_turns *turns);

/* The strategies that the turns of these files name, sorted; a name describes itself. To be freed by found_strategies_free. */
typedef struct found_strategies {
    cso_strategies *set;
    cso_toml toml; /* has the texts */
} found_strategies;
cso_status found_strategies_read(found_strategies *found, const cso_arg_list *files, cso_error *err);
void found_strategies_free(found_strategies *found);

#endif
