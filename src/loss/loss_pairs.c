/* loss_pairs.c - what losses on pairs share: metrics, and functions that neither overflow nor lose digits. */
#include "losses.h"

#include <math.h>

double loss_softplus(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

double loss_sigmoid(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double loss_mean(const double *x, size_t n) {
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return (double)(sum / n);
}

enum { LOSS, REWARD, ACCURACY = 3, MARGIN, LOGPS, COUNT = 7 };

const char *const loss_pair_metric_names[] = {
    "loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", NULL};

void loss_pair_metrics(const cso_loss_options *options, const cso_loss_batch *batch, const double *loss, double *values) {
    long double sums[COUNT] = {0};
    for (size_t i = 0; i < batch->n; i++) {
        double reward[2];
        for (size_t side = 0; side < 2; side++) {
            size_t s = batch->first[i] + side;
            reward[side] = options->beta * (batch->policy[s] - batch->reference[s]);
            sums[REWARD + side] += reward[side];
            sums[LOGPS + side] += batch->policy[s];
        }
        sums[MARGIN] += reward[0] - reward[1];
        sums[ACCURACY] += reward[0] > reward[1];
    }
    for (int k = REWARD; k < COUNT; k++)
        values[k] = (double)(sums[k] / batch->n);
    values[LOSS] = loss_mean(loss, batch->n);
}
