/* loss_apo_down.c - APO-down: for chosen replies that are worse than what the model would say. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    double beta = pair->options->beta, chosen = beta * pair->ratio[0], h = beta * (pair->score[0] - pair->score[1]);
    double slope = -beta * loss_sigmoid(h) * loss_sigmoid(-h);
    by_ratio[0] = beta * loss_sigmoid(chosen) * loss_sigmoid(-chosen);
    by_score[0] = slope;
    by_score[1] = -slope;
    return loss_sigmoid(chosen) + loss_sigmoid(-h);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_apo_down = {
    .name = "apo_down",
    .what = "both replies down, the rejected one more",
    .formula = "L = sigmoid(beta l_c) + 1 - sigmoid(h)",
    .source = "APO-down: D'Oosterlinck et al. 2024, arXiv 2408.06266, equation 8",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
