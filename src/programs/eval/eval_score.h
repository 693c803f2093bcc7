/* eval_score.h - cso-eval score: log-probabilities of records. */
#ifndef CSO_EVAL_SCORE_H
#define CSO_EVAL_SCORE_H

#include "api/open_model.h"
#include "engine/engine.h"
#include "score/score.h"

#include <stdio.h>

typedef struct score_options {
    const char *file;                  /* "-": standard input */
    const char *place, *chat_template; /* path of the tokenizer or its model; the template is looked up at the first pair */
    size_t max_length;
    const cso_strategies *strategies; /* NULL: the built-in ones */
    bool parse_special, summary;
    double beta; /* of rewards in the summary */
} score_options;

/* adapter NULL: the base model. A line for each record (for each pair of an ESC-Pro tree) goes to out, in their order; with
 * summary one object with the means, instead. */
cso_status score_file(FILE *out, const score_options *options, const opened_model *base, cso_engine *engine,
                      const cso_adapter *adapter, cso_error *err);

#endif
