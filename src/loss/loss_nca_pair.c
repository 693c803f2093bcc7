/* loss_nca_pair.c - NCA for pairs: keeps the chosen reply likely in itself. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, chosen = beta * pair->score[0], rejected = beta * pair->score[1];
    by_score[0] = beta * (-loss_sigmoid(-chosen) + 0.5 * loss_sigmoid(chosen));
    by_score[1] = beta * 0.5 * loss_sigmoid(rejected);
    return loss_softplus(-chosen) + 0.5 * loss_softplus(chosen) + 0.5 * loss_softplus(rejected);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_nca_pair = {
    .name = "nca_pair",
    .what = "noise contrastive alignment: each reward for itself",
    .formula = "L = -log sigmoid(r_c) - (log sigmoid(-r_c) + log sigmoid(-r_r)) / 2",
    .source = "NCA: Chen et al. 2024, arXiv 2402.05369",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
