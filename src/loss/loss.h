/* loss.h - losses: values and derivatives by log-probabilities. They know nothing of trees, models or files.
 *
 * A loss is a pure function over arrays: it is given the log-probabilities of the examples' sequences and gives the loss of each
 * example and the derivatives. A new one is a file loss_<name>.c and a row of CMakeLists.txt; an option of its own is a field of
 * cso_loss_options and a row of loss_options.c.
 *
 * Examples. An example is what a loss compares: one sequence (SFT), two (a preference pair: chosen, rejected) or more (a list, the
 * preferred one first). A sequence's log-probability is the sum over its counted tokens, natural logarithm, f64.
 */
#ifndef CSO_LOSS_H
#define CSO_LOSS_H

#include "base/option.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_loss_options {
    double beta;
    double label_smoothing;
} cso_loss_options;
/* The keys [loss] that fill it, for the table of all keys. */
extern const cso_option_list cso_loss_option_list;

/* Every option at its default. */
cso_loss_options cso_loss_default_options(void);

/* What an example is, and so which records it is made of. */
typedef enum cso_example_kind {
    CSO_EXAMPLE_PAIR,    /* two sequences: the chosen reply and the rejected one */
    CSO_EXAMPLE_TEXT,    /* one sequence: a conversation, or the chosen reply of a pair */
    CSO_EXAMPLE_LIST,    /* two or more sequences: all replies of a turn, the preferred one first, equal ranks marked */
    CSO_EXAMPLE_LABELED, /* one sequence: a reply that is desirable or not */
} cso_example_kind;

/* What a loss needs beside the policy's log-probability of each sequence. Each has a price, so a loss names only what it uses. */
enum {
    CSO_LOSS_REFERENCE = 1,   /* the reference's log-probability of each sequence: one more pass, cached over epochs */
    CSO_LOSS_TOKENS = 2,      /* the policy's log-probabilities token by token; there may be derivatives by them */
    CSO_LOSS_WHOLE_BATCH = 4, /* all examples of the step in one call, because they depend on one another. A step that is cut into
                               * several trees then takes a second forward pass of all trees but one. Without it a call has the
                               * examples of one tree, and no result may depend on which examples these are */
    CSO_LOSS_MISMATCHED = 8,  /* behind its own sequences each example has one more: its prompt with the first completion of the
                               * example before it in the step's order (the first: of the last). For KTO's estimate of the KL
                               * divergence, which has no gradient. Its reference log-probability is computed in every step */
};

/* What is known of the whole step before any pass: denominators, so that a mean over tokens needs no CSO_LOSS_WHOLE_BATCH. */
typedef struct cso_loss_totals {
    size_t examples;
    size_t first_tokens; /* counted tokens of the examples' first sequences */
} cso_loss_totals;

/* n examples with S sequences and T counted tokens. Example i has the sequences first[i] .. first[i + 1], sequence s the tokens
 * token_first[s] .. token_first[s + 1]. */
typedef struct cso_loss_batch {
    size_t n;
    const size_t *first;         /* (n + 1) */
    const size_t *token_first;   /* (S + 1) */
    const double *policy;        /* (S) */
    const double *reference;     /* (S); NULL without CSO_LOSS_REFERENCE */
    const double *policy_tokens; /* (T); NULL without CSO_LOSS_TOKENS */
    cso_loss_totals step;
} cso_loss_batch;

/* What a loss computes. The arrays are zero before the call. The loss of a step is the mean of `loss` over all its examples; the
 * derivatives are those of the sum of `loss` over the examples of this call. */
typedef struct cso_loss_result {
    double *loss;     /* (n) */
    double *d_policy; /* (S) d sum(loss) / d policy */
    double *d_tokens; /* (T) d sum(loss) / d policy_tokens, added to what d_policy gives each token; NULL without CSO_LOSS_TOKENS */
} cso_loss_result;

/* The most metrics that a loss may have. */
enum { CSO_LOSS_MAX_METRICS = 32 };

typedef struct cso_loss {
    const char *name;
    const char *what; /* a line for --help */
    cso_example_kind takes;
    unsigned needs; /* CSO_LOSS_... */
    void (*compute)(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result);

    /* Names of what is reported of a step, as in metrics.jsonl, NULL-terminated; the first is "loss". values: as many, from the
     * whole step's batch (without policy_tokens) and each example's loss. */
    const char *const *metric_names;
    void (*metrics)(const cso_loss_options *options, const cso_loss_batch *batch, const double *loss, double *values);
    bool token_mean; /* a mean over several steps weighs them by step.first_tokens, not by step.examples */

    /* What the rows of loss_options.c do not say; CSO_ERR_USAGE naming the key. NULL: nothing. */
    cso_status (*check)(const cso_loss_options *options, cso_error *err);
} cso_loss;

/* Checks the options: first their bounds, then what the loss demands. CSO_ERR_USAGE: "loss.beta: must be from 1e-06 to 1000000, got 0". */
cso_status cso_loss_check(const cso_loss *loss, const cso_loss_options *options, cso_error *err);

/* How many names a NULL-terminated list has, and the value that stands under a name; NaN: there is none of that name. */
size_t cso_loss_metric_count(const char *const *names);
double cso_loss_metric(const char *const *names, const double *values, const char *name);

/* The table. all: NULL-terminated, in its order. find: NULL if unknown. names: "cso, sft", for messages. */
const cso_loss *const *cso_loss_all(void);
const cso_loss *cso_loss_find(const char *name);
const char *cso_loss_names(void);

#endif
