/* loss_kto.c - KTO: the reward of a reply with a label against a reference point, the divergence of the policy in this step. */
#include "losses.h"

/* The mean log-ratio of prompts with the completions of other examples, not below 0. It has no gradient. */
static double kl(const cso_loss_options *options, const cso_loss_batch *batch) {
    (void)options;
    long double sum = 0;
    for (size_t i = 0; i < batch->n; i++) {
        size_t s = batch->first[i] + 1;
        sum += batch->policy[s] - batch->reference[s];
    }
    double mean = (double)(sum / batch->n);
    return mean < 0 ? 0 : mean; /* NaN stays NaN */
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double beta = options->beta, point = kl(options, batch);
    for (size_t i = 0; i < batch->n; i++) {
        size_t s = batch->first[i];
        double sign = batch->label[i] ? 1 : -1, weight = loss_label_weight(options, batch->label[i]);
        double x = sign * beta * (batch->policy[s] - batch->reference[s] - point);
        result->loss[i] = weight * loss_sigmoid(-x);
        result->d_policy[s] = -weight * sign * beta * loss_sigmoid(x) * loss_sigmoid(-x);
    }
}

static const char *const uses[] = {"desirable_weight", "undesirable_weight", NULL};
static const cso_loss_extra extras[] = {{"kl", kl}, {0}};

const cso_loss cso_loss_kto = {
    .name = "kto",
    .what = "replies with a label, desirable or not, against the policy's divergence in the step",
    .formula = "L = w_d (1 - sigmoid(beta (l - KL))) of a desirable reply, w_u (1 - sigmoid(beta (KL - l))) of another,\n"
               "KL = max(0, mean log-ratio of each prompt with the reply of the example before it)",
    .source = "KTO: Ethayarajh et al. 2024, arXiv 2402.01306, equation 7",
    .note = "KL is over the whole step: train.batch_size changes it. Needs records with a label.",
    .takes = CSO_EXAMPLE_LABELED,
    .needs = CSO_LOSS_REFERENCE | CSO_LOSS_MISMATCHED | CSO_LOSS_WHOLE_BATCH,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
    .extras = extras,
};
