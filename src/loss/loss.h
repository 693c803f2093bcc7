/* loss.h - preference losses: values and derivatives by the log-probabilities of sequences. They know nothing of trees or
 * models.
 *
 * A loss is one file loss_<name>.c and one row of losses.c.
 */
#ifndef CSO_LOSS_H
#define CSO_LOSS_H

#include "base/option.h"
#include "base/status.h"

#include <stddef.h>

typedef struct cso_loss_options {
    double beta;
    double label_smoothing;
} cso_loss_options;
/* The keys [loss] that fill it, for the table of all keys. */
extern const cso_option_list cso_loss_option_list;

/* The log-probabilities (sums over reply tokens, f64) of n pairs; [0] chosen, [1] rejected. */
typedef struct cso_loss_batch {
    size_t n;
    const double *policy[2];
    const double *reference[2];
    const double *tokens[2]; /* number of scored tokens, for losses that normalise by length */
} cso_loss_batch;

typedef struct cso_loss {
    const char *name;
    const char *what; /* a line for --help */
    /* loss[n] of each pair and d_policy[2][n] = d loss[i] / d policy[.][i]. Rewards are beta * (policy - reference). */
    void (*pairs)(const cso_loss_options *options, const cso_loss_batch *batch, double *loss, double *d_policy[2]);
    /* Checks options: CSO_ERR_USAGE naming the key. */
    cso_status (*check)(const cso_loss_options *options, cso_error *err);
} cso_loss;

/* NULL: unknown. */
const cso_loss *cso_loss_find(const char *name);
/* "cso, ipo": names for messages. */
const char *cso_loss_names(void);

#endif
