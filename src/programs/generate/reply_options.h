/* reply_options.h - how a reply is made: the options of the command line and of each row of a file, from one table. */
#ifndef CSO_REPLY_OPTIONS_H
#define CSO_REPLY_OPTIONS_H

#include "base/arena.h"
#include "base/option.h"
#include "base/status.h"
#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bias_entry {
    size_t id;
    double bias; /* added to the logit */
} bias_entry;

typedef struct bias_list {
    bias_entry *items;
    size_t count;
} bias_list;

/* Texts are in the arena that the options were read with. Shallow copies are fine. */
typedef struct reply_options {
    size_t max_tokens;
    double temperature; /* 0: always the most probable token */
    size_t top_k;       /* 0: all */
    double top_p, min_p;
    double repetition_penalty, presence_penalty, frequency_penalty;
    bias_list logit_bias;
    uint64_t seed;
    size_t n;                    /* replies to the prompt */
    cso_strings stop;            /* texts that end a reply */
    const char *prefix;          /* how the reply begins; NULL: free */
    const char *strategy;        /* it begins with "(strategy)"; NULL: free */
    const char *schema;          /* JSON Schema as text; NULL: none */
    cso_strings choices;         /* the reply is one of these texts */
    const char *after;           /* schema or choices hold after this mark; NULL: from the beginning */
    size_t max_free_tokens;      /* before the mark; 0: half of max_tokens */
    bool logprobs;               /* the log-probabilities of the tokens are wanted, */
    size_t alternatives;         /* and of so many of the most probable tokens at each position */
    bool strategy_probabilities; /* are wanted, of all known strategies */
} reply_options;

typedef enum reply_option_kind {
    REPLY_OPTION_SIZE,
    REPLY_OPTION_NUMBER,
    REPLY_OPTION_SEED,
    REPLY_OPTION_TEXT,
    REPLY_OPTION_TEXTS,
    REPLY_OPTION_BIAS,
    REPLY_OPTION_SCHEMA,
    REPLY_OPTION_LOGPROBS,
    REPLY_OPTION_FLAG
} reply_option_kind;

typedef struct reply_option {
    const char *name; /* "top_k"; on the command line --top-k */
    reply_option_kind kind;
    size_t offset; /* of the field in reply_options */
    cso_option_range range;
    const char *metavar, *help;
} reply_option;

extern const reply_option reply_option_rows[];
enum { REPLY_OPTION_COUNT = 20 };

/* The defaults: greedy, 256 tokens. */
reply_options reply_options_default(void);
/* NULL: there is none of that name. */
const reply_option *reply_option_find(const char *name);
/* Sets an option from a JSON value; null leaves it as it is. place: "FILE:LINE". A wrong type or a number out of range is
 * CSO_ERR_INPUT. */
cso_status reply_option_set_json(reply_options *options, const reply_option *row, const cJSON *value, cso_arena *arena,
                                 const char *place, cso_error *err);
/* The same from a word of the command line: of texts one more, of a schema a file's name, of biases "ID=NUMBER", of a flag any. CSO_ERR_USAGE. */
cso_status reply_option_set_word(reply_options *options, const reply_option *row, const char *word, cso_arena *arena,
                                 cso_error *err);
/* What cannot go together: CSO_ERR_USAGE with the place before it. */
cso_status reply_options_check(const reply_options *options, const char *place, cso_status status, cso_error *err);
/* All of them as one JSON object: equal options give equal texts. */
void reply_options_text(const reply_options *options, cso_text *text);

#endif
