/* predictions.h - replies beside those they are measured against, read from JSON Lines:
 *
 *   {"reference": {"strategy", "content"}, "prediction": {"strategy" (null: none), "content"},
 *    "index"?: of the dialogue; without, each line is one of its own
 *    "probabilities"?: {NAME: of each strategy},
 *    "reference_logp"?, "reference_tokens"?: of the reference reply, "rejected_logps"?: [of each reply that is worse]}
 *
 * Other keys are not looked at. docs/eval.md describes the format to users.
 */
#ifndef CSO_PREDICTIONS_H
#define CSO_PREDICTIONS_H

#include "bleu.h"
#include "distinct.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CSO_MOST_STRATEGIES = 256 };

typedef struct cso_prediction {
    size_t dialogue;  /* from 0 on, in the order in which they come first */
    size_t reference; /* of the strategies */
    int predicted;    /* -1: none of the strategies */
    double rouge_l;
    cso_bleu_counts bleu;
    double words, reference_words; /* separated by white space */
    size_t probabilities;          /* offset in the set's, SIZE_MAX: not given */
    double reference_logp;         /* natural logarithm */
    size_t reference_tokens;       /* 0: not given */
    size_t first_rejected, n_rejected;
} cso_prediction;

typedef struct cso_predictions {
    char **strategies; /* (n_strategies) */
    size_t n_strategies;
    cso_prediction *items; /* (count > 0) */
    size_t count;
    size_t n_dialogues;
    double *probabilities; /* (n_strategies) each, in the strategies' order */
    double *rejected;      /* logps */
    size_t n_rejected;
    bool has_probabilities, has_logps; /* of any */
    cso_distinct distinct;             /* of the predictions, in their order */
} cso_predictions;

/* strategies (n): the names; a reference that has another one is CSO_ERR_INPUT, a prediction that has another one has none. NULL: the
 * names that occur, sorted by their bytes. path is for messages, which name the line. CSO_ERR_INPUT: what is no such line, a file
 * without lines, more than CSO_MOST_STRATEGIES names. */
cso_status cso_predictions_read(cso_predictions **predictions, FILE *file, const char *path, const char *const *strategies,
                                size_t n_strategies, cso_error *err);
void cso_predictions_free(cso_predictions *predictions); /* NULL is fine */

#endif
