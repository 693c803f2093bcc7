/* loss_apo_zero_unpaired.c - APO-zero for replies with a label. */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double beta = options->beta;
    for (size_t i = 0; i < batch->n; i++) {
        size_t s = batch->first[i];
        double sign = batch->label[i] ? 1 : -1, weight = loss_label_weight(options, batch->label[i]);
        double x = sign * beta * (batch->policy[s] - batch->reference[s]);
        result->loss[i] = weight * loss_sigmoid(-x);
        result->d_policy[s] = -weight * sign * beta * loss_sigmoid(x) * loss_sigmoid(-x);
    }
}

static const char *const uses[] = {"desirable_weight", "undesirable_weight", NULL};

const cso_loss cso_loss_apo_zero_unpaired = {
    .name = "apo_zero_unpaired",
    .what = "desirable replies up, others down, without a reference point",
    .formula = "L = w_d (1 - sigmoid(beta l)) of a desirable reply, w_u sigmoid(beta l) of another",
    .source = "APO-zero, unpaired: D'Oosterlinck et al. 2024, arXiv 2408.06266, equation 7",
    .takes = CSO_EXAMPLE_LABELED,
    .needs = CSO_LOSS_REFERENCE,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
