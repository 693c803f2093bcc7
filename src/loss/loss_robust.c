/* loss_robust.c - DPO whose expectation is that of clean labels, where a share e of them is flipped. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, e = pair->options->label_smoothing, h = beta * (pair->score[0] - pair->score[1]);
    double flipped = e > 0 ? e * loss_softplus(h) : 0; /* without e, which would make 0 * inf of a huge margin */
    double slope = -((1 - e) * loss_sigmoid(-h) + e * loss_sigmoid(h)) / (1 - 2 * e);
    by_score[0] = beta * slope;
    by_score[1] = -beta * slope;
    return ((1 - e) * loss_softplus(-h) - flipped) / (1 - 2 * e);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_robust = {
    .name = "robust",
    .what = "DPO for labels that are wrong with a known probability",
    .formula = "L = (-(1 - e) log sigmoid(h) + e log sigmoid(-h)) / (1 - 2 e)",
    .source = "Robust DPO: Chowdhury et al. 2024, arXiv 2403.00409",
    .note = "May be negative. With e = 0 it is cso.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
