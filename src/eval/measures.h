/* measures.h - all figures about a set of predictions, and about samples of its dialogues. */
#ifndef CSO_MEASURES_H
#define CSO_MEASURES_H

#include "calibration.h"
#include "predictions.h"
#include "preference_bias.h"

/* The names in results are those of cso_measure_names. What cannot be computed is NaN. */
typedef enum cso_measure {
    /* Strategies of the replies; a reply without one of the names counts as wrong. */
    CSO_MEASURE_ACCURACY,
    CSO_MEASURE_MACRO_F1,
    CSO_MEASURE_WEIGHTED_F1,
    /* The same over replies that have one. */
    CSO_MEASURE_VALID_ACCURACY,
    CSO_MEASURE_VALID_MACRO_F1,
    CSO_MEASURE_VALID_WEIGHTED_F1,
    CSO_MEASURE_INVALID, /* part of the replies without one */
    CSO_MEASURE_BIAS,
    /* The likeliest strategies. */
    CSO_MEASURE_LIKELIEST_ACCURACY,
    CSO_MEASURE_LIKELIEST_MACRO_F1,
    CSO_MEASURE_LIKELIEST_WEIGHTED_F1,
    CSO_MEASURE_LIKELIEST_BIAS,
    CSO_MEASURE_CALIBRATION,
    CSO_MEASURE_BRIER,
    /* Texts. */
    CSO_MEASURE_ROUGE_L,
    CSO_MEASURE_BLEU_1,
    CSO_MEASURE_BLEU_2,
    CSO_MEASURE_BLEU_3,
    CSO_MEASURE_BLEU_4,
    CSO_MEASURE_DISTINCT_1,
    CSO_MEASURE_DISTINCT_2,
    CSO_MEASURE_WORDS,
    CSO_MEASURE_REFERENCE_WORDS,
    /* Log-probabilities: of references by token; of each reference against each worse reply. */
    CSO_MEASURE_PERPLEXITY,
    CSO_MEASURE_PREFERENCE_ACCURACY,
    CSO_MEASURE_PREFERENCE_MARGIN,
    /* The same of DPO's implicit rewards, beta (logp - logp of the base model). */
    CSO_MEASURE_REWARD_ACCURACY,
    CSO_MEASURE_REWARD_MARGIN,
    CSO_MEASURE_COUNT
} cso_measure;
extern const char *const cso_measure_names[]; /* (CSO_MEASURE_COUNT) "strategy_accuracy", ... */

/* Measures one set; zero-initialise but for the first three. */
typedef struct cso_measurer {
    const cso_predictions *set;
    const cso_predictions *base; /* what the base model said of the same rows, NULL: no rewards */
    double beta;
    double value[CSO_MEASURE_COUNT];
    cso_confusion confusion, likeliest; /* of the last call */
    double *preferences;                /* (n_strategies) those of the replies' strategies */
    size_t never_missed;
    cso_calibration calibration;
    double *times; /* (set->count) working memory */
} cso_measurer;

/* Whether base has what rewards need: as many rows and worse replies. */
bool cso_measurer_fits(const cso_predictions *set, const cso_predictions *base);
/* dialogue_times (set->n_dialogues): how often each dialogue counts; distinct-n is not computed then. NULL: once. Fills the fields behind beta. Errors: memory. */
cso_status cso_measurer_run(cso_measurer *measurer, const double *dialogue_times, cso_error *err);
void cso_measurer_free(cso_measurer *measurer);

/* values (n, CSO_MEASURE_COUNT): of n bootstrap samples (bootstrap.h). The measurer's fields are as after a run without times
 * afterwards. stop: asked before each sample, ends with CSO_STOPPED; NULL: never. */
cso_status cso_measurer_bootstrap(cso_measurer *measurer, uint64_t seed, size_t n, double *values, bool (*stop)(void),
                                  cso_error *err);

#endif
