/* score.h - log-probabilities of records: preference pairs, lists of completions, completions, texts and token ids.
 *
 * Records are collected into chunks, and prefixes shared within a chunk are computed once. Results come in the order of
 * the records, some time after they were added.
 */
#ifndef CSO_SCORE_H
#define CSO_SCORE_H

#include "base/status.h"
#include "data/strategies.h"
#include "engine/engine.h"
#include "io/json.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One sequence's log-probabilities, natural logarithms. */
typedef struct cso_score_logps {
    double logp;               /* sum over the scored tokens, in f64 */
    double base_logp;          /* the same without the adapter; logp itself unless the job asks for with_base and has an adapter */
    const double *token_logps; /* (n_tokens) of the scored tokens, in their order */
    size_t n_tokens;
} cso_score_logps;

typedef enum cso_score_kind {
    CSO_SCORE_PAIR, /* chosen, rejected */
    CSO_SCORE_LIST, /* two completions or more, the best first */
    CSO_SCORE_TEXT, /* one sequence: a text, token ids or a completion */
} cso_score_kind;

/* The result of one pair, list, completion, text or array of ids. */
typedef struct cso_score_item {
    cso_score_kind kind;
    size_t count; /* sequences; 0: a pair, list or completion that is longer than max_length */
    const cso_score_logps *sequence;
} cso_score_item;

/* The item lives as long as the call; its log-probabilities are finite. A failure ends the scoring. */
typedef cso_status (*cso_score_visitor)(void *context, const cso_score_item *item, cso_error *err);

/* The scorer owns nothing of it. */
typedef struct cso_score_job {
    cso_engine *engine;
    const cso_tokenizer *tokenizer;
    const char *chat_template;        /* "auto" or a name; looked up at the first pair: texts need none */
    const char *place;                /* path of the tokenizer or of its model, for messages about the template */
    const cso_adapter *adapter;       /* NULL: the base model */
    bool with_base;                   /* base_logp is wanted, too: a second pass where there is an adapter */
    size_t max_length;                /* tokens: longer pairs are cut as training cuts them, longer texts and ids are refused */
    bool parse_special;               /* as in cso_tokenizer_encode */
    const cso_strategies *strategies; /* of ESC-Pro records; NULL: the built-in ones */
    cso_score_visitor visit;
    void *context;
} cso_score_job;

typedef struct cso_scorer cso_scorer;

cso_status cso_scorer_create(cso_scorer **scorer, const cso_score_job *job, cso_error *err);
void cso_scorer_free(cso_scorer *scorer);

/* Adds a record of any form of docs/data.md that has something to score; an ESC-Pro tree gives an item for each pair. place,
 * "FILE:LINE", begins the messages of errors. */
cso_status cso_scorer_add_record(cso_scorer *scorer, const cJSON *record, const char *place, cso_error *err);
/* Adds a text: every token after the first is scored. A tokenizer that puts BOS first does so here. */
cso_status cso_scorer_add_text(cso_scorer *scorer, const char *text, size_t size, const char *place, cso_error *err);
/* Adds count ids, of which those from max(1, start) on are scored. */
cso_status cso_scorer_add_ids(cso_scorer *scorer, const int32_t *ids, size_t count, size_t start, const char *place,
                              cso_error *err);
/* Computes everything added so far; afterwards every item has been visited. CSO_ERR_NUMERIC naming the record at the first one with
 * a log-probability that is no finite number. */
cso_status cso_scorer_flush(cso_scorer *scorer, cso_error *err);

typedef struct cso_score_counts {
    size_t tokens, tokens_unshared; /* laid out so far, and how many there would be without sharing */
    size_t cut, turns_cut;          /* pairs, lists and completions that lost turns to fit max_length, and the turns */
    size_t too_long;                /* those that did not fit and have no score */
    size_t empty;                   /* texts and lists of ids with nothing to score: one token or none */
} cso_score_counts;

/* All records of a JSON or JSON Lines file ("-": standard input). counts may be NULL. */
cso_status cso_score_file(const cso_score_job *job, const char *path, cso_score_counts *counts, cso_error *err);

#endif
