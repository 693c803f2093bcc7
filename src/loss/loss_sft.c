/* loss_sft.c - supervised fine-tuning: the negative log-likelihood of a counted token, a mean over all counted tokens of the step.
 *
 * L = -sum_i logp_i / T, T = counted tokens of the step. So that the mean over the step's n examples is L, example i has
 * -n logp_i / T. Of a preference pair the chosen reply alone counts, as TRL's loss_type "sft" has it.
 */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    (void)options;
    double factor = -(double)batch->step.examples / (double)batch->step.first_tokens;
    for (size_t i = 0; i < batch->n; i++) {
        result->loss[i] = factor * batch->policy[batch->first[i]];
        result->d_policy[batch->first[i]] = factor;
    }
}

static const char *const names[] = {"loss", NULL};

static void metrics(const cso_loss_options *options, const cso_loss_batch *batch, const double *loss, double *values) {
    (void)options;
    values[0] = loss_mean(loss, batch->n);
}

const cso_loss cso_loss_sft = {
    .name = "sft",
    .what = "negative log-likelihood of the assistant's turns, a mean over their tokens; of a pair, of the chosen reply",
    .takes = CSO_EXAMPLE_TEXT,
    .compute = compute,
    .metric_names = names,
    .metrics = metrics,
    .token_mean = true,
};
