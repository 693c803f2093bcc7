/* loss_bco_pair.c - BCO for pairs. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, chosen = beta * pair->score[0], rejected = beta * pair->score[1];
    by_score[0] = -beta * loss_sigmoid(-chosen);
    by_score[1] = beta * loss_sigmoid(rejected);
    return loss_softplus(-chosen) + loss_softplus(rejected);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_bco_pair = {
    .name = "bco_pair",
    .what = "a binary classifier of rewards",
    .formula = "L = -log sigmoid(r_c) - log sigmoid(-r_r)",
    .source = "BCO: Jung et al. 2024, arXiv 2404.04656; without the shift delta, as TRL has it for pairs",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
