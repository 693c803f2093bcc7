/* loss_hinge.c - the hinge loss of SLiC on the margin of rewards. */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, loss = 1 - beta * (pair->score[0] - pair->score[1]);
    if (loss <= 0)
        return 0;
    by_score[0] = -beta;
    by_score[1] = beta;
    return loss;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_hinge = {
    .name = "hinge",
    .what = "a hinge at margin 1",
    .formula = "L = max(0, 1 - h)",
    .source = "SLiC-HF: Zhao et al. 2023, arXiv 2305.10425; on rewards: Liu et al. 2023, arXiv 2309.06657 (RSO)",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
