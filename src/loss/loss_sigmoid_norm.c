/* loss_sigmoid_norm.c - DPO with scores divided by the lengths of the replies. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta;
    double h = beta * (pair->score[0] / pair->tokens[0] - pair->score[1] / pair->tokens[1]), slope = -loss_sigmoid(-h);
    by_score[0] = beta * slope / pair->tokens[0];
    by_score[1] = -beta * slope / pair->tokens[1];
    return loss_softplus(-h);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_sigmoid_norm = {
    .name = "sigmoid_norm",
    .what = "the sigmoid loss on scores by token",
    .formula = "L = -log sigmoid(beta (s_c / T_c - s_r / T_r))",
    .source = "TRL's loss_type sigmoid_norm; dividing by the length is SimPO's (Meng et al. 2024, arXiv 2405.14734)",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
