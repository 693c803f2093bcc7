/* objective.h - what a run minimizes: one loss, or a weighted sum of losses on the same examples, with weights of examples and tokens.
 *
 * L = mean over the examples i of w_i sum_k weight_k L_k(i). The weights w_i of examples are data (loss.balance, loss.q_weighting,
 * loss.visit_smoothing), or WPO's (loss.use_weighting), which have no gradient.
 * A mix such as MPO's is Wang et al. 2024, arXiv 2411.10442, equation 1; RPO's is cso with sft.
 */
#ifndef CSO_OBJECTIVE_H
#define CSO_OBJECTIVE_H

#include "loss.h"

enum {
    CSO_OBJECTIVE_MAX_LOSSES = 8,
    CSO_OBJECTIVE_MAX_METRICS = 32,
    CSO_OBJECTIVE_METRIC = 48, /* bytes of a metric's name */
    CSO_OBJECTIVE_TEXT = 512,  /* bytes of an objective's description */
};

typedef struct cso_objective {
    size_t n; /* losses */
    const cso_loss *loss[CSO_OBJECTIVE_MAX_LOSSES];
    double weight[CSO_OBJECTIVE_MAX_LOSSES];
    cso_loss_options options;
    cso_example_kind takes;
    unsigned needs;                /* of all losses, and of the options */
    bool token_mean;               /* see cso_loss */
    bool example_weights;          /* the options ask for weights of examples */
    bool token_weights;            /* the options ask for weights of tokens */
    char text[CSO_OBJECTIVE_TEXT]; /* "cso", or "0.8 cso + 0.2 bco_pair + 1 sft" */
    /* Names of what is reported of a step, as in metrics.jsonl, NULL-terminated; the first is "loss". */
    size_t n_metrics;
    char metric_names[CSO_OBJECTIVE_MAX_METRICS][CSO_OBJECTIVE_METRIC];
} cso_objective;

/* Takes n losses by name, with a weight each (NULL: 1), and checks all of them and the options: unknown names, names that occur
 * twice, losses that need different records, options that none of them heeds set to something else than their default. CSO_ERR_USAGE. */
cso_status cso_objective_make(cso_objective *objective, const char *const *types, const double *weights, size_t n,
                              const cso_loss_options *options, cso_error *err);

/* The same of n losses that the caller has. */
cso_status cso_objective_of(cso_objective *objective, const cso_loss *const *losses, const double *weights, size_t n,
                            const cso_loss_options *options, cso_error *err);

/* Whether some loss of the objective heeds a key of [loss]. */
bool cso_objective_uses(const cso_objective *objective, const char *key);
/* Whether an option has another value than its default. */
bool cso_loss_option_is_set(const cso_option *row, const cso_loss_options *options);

/* How many numbers cso_objective_compute needs to work in, for n examples with n_sequences sequences and n_tokens counted tokens; and
 * how many losses it gives by part: the number of losses, 0 of a single one. */
size_t cso_objective_room(const cso_objective *objective, size_t n, size_t n_sequences, size_t n_tokens);
size_t cso_objective_parts(const cso_objective *objective);

typedef struct cso_objective_result {
    cso_loss_result all; /* zero before */
    double *parts;       /* (n, cso_objective_parts) the losses one by one, without their weights */
    double *room;        /* (cso_objective_room) */
} cso_objective_result;

/* weights: (n) of the examples, NULL: 1. */
void cso_objective_compute(const cso_objective *objective, const cso_loss_batch *batch, const double *weights,
                           cso_objective_result *result);

/* Of the whole step; its batch needs no policy_tokens. loss (n) and parts as computed; values (n_metrics). A metric that does not
 * exist for these examples is NaN. */
void cso_objective_metrics(const cso_objective *objective, const cso_loss_batch *batch, const double *loss, const double *parts,
                           double *values);
bool cso_objective_has_rewards(const cso_objective *objective);

/* Example i of a pair's or list's kind by its rewards: the preferred sequence's and the mean of the others'. */
typedef struct cso_preference {
    double reward[2], logps[2]; /* chosen, rejected */
    double margin;
    bool correct; /* the preferred one has the highest reward */
} cso_preference;
cso_preference cso_objective_preference(const cso_objective *objective, const cso_loss_batch *batch, size_t i);

/* How many sequences of example i are its own: those of CSO_LOSS_MISMATCHED and CSO_LOSS_PROMPT come behind. */
size_t cso_objective_own(const cso_objective *objective, const cso_loss_batch *batch, size_t i);

/* What a counted token of a pair's or list's reply counts: loss.strategy_weight within "(Strategy)", loss.ld_alpha from position
 * `shared` on, which is the number of counted tokens of the shortest reply of the example. k: its number among the counted tokens. */
double cso_objective_token_weight(const cso_objective *objective, size_t k, size_t shared, bool strategy);

#endif
