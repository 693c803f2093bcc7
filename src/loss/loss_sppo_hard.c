/* loss_sppo_hard.c - SPPO with hard labels. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double half = 0.5 / pair->options->beta, won = pair->score[0] - half, lost = pair->score[1] + half;
    by_score[0] = 2 * won;
    by_score[1] = 2 * lost;
    return won * won + lost * lost;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_sppo_hard = {
    .name = "sppo_hard",
    .what = "self-play: scores are drawn to plus and minus 1 / (2 beta)",
    .formula = "L = (s_c - 1 / (2 beta))^2 + (s_r + 1 / (2 beta))^2",
    .source = "SPPO: Wu et al. 2024, arXiv 2405.00675, equation 4.7 with a preference of 1",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
