/* loss_cso.c - Chain-of-Strategy Optimization: DPO's sigmoid loss on the pairs of each turn.
 *
 * DPO: Rafailov et al. 2023, arXiv 2305.18290, equation 7; with label smoothing e > 0 the conservative form of Mitchell 2023 ("cDPO").
 */
#include "losses.h"

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double slope, beta = pair->options->beta;
    double loss = loss_smooth_sigmoid(beta * (pair->score[0] - pair->score[1]), pair->options->label_smoothing, &slope);
    by_score[0] = beta * slope;
    by_score[1] = -beta * slope;
    return loss;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

static const char *const aliases[] = {"dpo", "sigmoid", NULL};

const cso_loss cso_loss_cso = {
    .name = "cso",
    .aliases = aliases,
    .what = "DPO's sigmoid loss on the pairs of each turn",
    .formula = "L = -(1 - e) log sigmoid(h) - e log sigmoid(-h)",
    .source = "Chain-of-Strategy Optimization: Zhao et al. 2025, arXiv 2503.05362; DPO: Rafailov et al. 2023, arXiv 2305.18290, "
              "equation 7; e > 0 (cDPO): Mitchell 2023",
    .note = "TRL's sigmoid ignores label_smoothing; here it is heeded.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
};
