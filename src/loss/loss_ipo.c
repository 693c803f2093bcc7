/* loss_ipo.c - IPO: the margin is drawn to 1 / (2 beta), not to infinity. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double d = pair->score[0] / pair->tokens[0] - pair->score[1] / pair->tokens[1] - 1 / (2 * pair->options->beta);
    by_score[0] = 2 * d / pair->tokens[0];
    by_score[1] = -2 * d / pair->tokens[1];
    return d * d;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_ipo = {
    .name = "ipo",
    .what = "a squared distance from a fixed margin, by token",
    .formula = "L = (s_c / T_c - s_r / T_r - 1 / (2 beta))^2",
    .source = "Azar et al. 2023, arXiv 2310.12036, equation 17; by token as TRL has it, by agreement with the authors",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
