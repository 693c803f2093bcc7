/* losses.h - what losses share; inside src/loss only. */
#ifndef CSO_LOSSES_H
#define CSO_LOSSES_H

#include "loss.h"

/* loss_pairs.c: the metrics of losses on pairs with a reference: rewards beta * (policy - reference), their accuracy and margin,
 * log-probabilities. Names as TRL logs them. */
extern const char *const loss_pair_metric_names[];
void loss_pair_metrics(const cso_loss_options *options, const cso_loss_batch *batch, const double *loss, double *values);

/* The mean of n numbers, summed with 64 bits of mantissa at least: the mean of n equal numbers is exactly that number (ln 2 at the
 * start of a run). */
double loss_mean(const double *x, size_t n);

/* log(1 + exp(x)) without overflow; -log sigmoid(x) = loss_softplus(-x). */
double loss_softplus(double x);
double loss_sigmoid(double x);

#endif
