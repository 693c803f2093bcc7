/* example_weights.h - weights of examples from what the data say of them: loss.balance, loss.q_weighting, loss.visit_smoothing.
 *
 * Each factor has the mean 1 over the examples that it says something of; the others have 1.
 *   balance: N / (K n_s) for an example whose preferred reply has the strategy s: N examples with a strategy, K strategies, n_s of s.
 *   q_weighting: max(0, q of the preferred reply - mean q of the others), divided by its mean.
 *   visit_smoothing = k: n / (n + k), n the fewest visits of its replies, divided by its mean.
 */
#ifndef CSO_EXAMPLE_WEIGHTS_H
#define CSO_EXAMPLE_WEIGHTS_H

#include "data/dataset.h"
#include "loss/objective.h"

/* (data->count), to be freed by the caller; NULL where all are 1. Weights that would all be 0 are CSO_ERR_INPUT. */
cso_status cso_example_weights(const cso_objective *objective, const cso_dataset *data, double **weights, cso_error *err);

/* How many examples carry what the options ask for: a strategy, q of all replies, n of all replies. */
typedef struct cso_weighed_counts {
    size_t strategy, q, visits;
} cso_weighed_counts;
cso_weighed_counts cso_count_weighed(const cso_dataset *data);

#endif
