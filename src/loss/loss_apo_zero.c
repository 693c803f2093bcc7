/* loss_apo_zero.c - APO-zero: for chosen replies that are better than what the model would say. */
#include "losses.h"

static const char *const uses[] = {"ld_alpha", "use_weighting", "strategy_weight", "balance", "q_weighting", "visit_smoothing",
                                   NULL};

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_score;
    double beta = pair->options->beta, chosen = beta * pair->ratio[0], rejected = beta * pair->ratio[1];
    by_ratio[0] = -beta * loss_sigmoid(chosen) * loss_sigmoid(-chosen);
    by_ratio[1] = beta * loss_sigmoid(rejected) * loss_sigmoid(-rejected);
    return loss_sigmoid(-chosen) + loss_sigmoid(rejected);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_apo_zero = {
    .name = "apo_zero",
    .what = "chosen replies up, rejected ones down, each for itself",
    .formula = "L = 1 - sigmoid(beta l_c) + sigmoid(beta l_r)",
    .source = "APO-zero: D'Oosterlinck et al. 2024, arXiv 2408.06266, equation 7",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
