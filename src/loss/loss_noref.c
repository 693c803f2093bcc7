/* loss_noref.c - what losses without a reference share. */
#include "losses.h"

double loss_sum_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s) {
    return options->beta * batch->policy[s];
}

double loss_mean_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s) {
    return options->beta * batch->policy[s] / loss_tokens(batch, s);
}

double loss_nll(const cso_loss_options *options, const cso_loss_batch *batch) {
    (void)options;
    long double sum = 0;
    for (size_t i = 0; i < batch->n; i++)
        sum += batch->policy[batch->first[i]];
    return (double)(-sum / batch->step.first_tokens);
}

void loss_add_nll(double weight, const cso_loss_batch *batch, cso_loss_result *result) {
    double factor = -weight * (double)batch->step.examples / batch->step.first_tokens;
    for (size_t i = 0; i < batch->n; i++) {
        result->loss[i] += factor * batch->policy[batch->first[i]];
        result->d_policy[batch->first[i]] += factor;
    }
}
