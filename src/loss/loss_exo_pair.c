/* loss_exo_pair.c - EXO for pairs. */
#include "losses.h"

#include <math.h>

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, e = pair->options->label_smoothing, h = beta * (pair->score[0] - pair->score[1]);
    double won = -loss_softplus(-h) - log1p(-e), lost = -loss_softplus(h) - log(e);
    double q = loss_sigmoid(h), p = loss_sigmoid(-h);
    double slope = q * p * (won - lost);
    by_score[0] = beta * slope;
    by_score[1] = -beta * slope;
    return q * won + p * lost;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

static cso_status check(const cso_loss_options *options, cso_error *err) {
    if (options->label_smoothing > 0)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_USAGE, "loss.label_smoothing: exo_pair needs more than 0 (0.001 is usual), got 0");
}

const cso_loss cso_loss_exo_pair = {
    .name = "exo_pair",
    .what = "the reverse KL divergence to smoothed labels",
    .formula = "L = q log(q / (1 - e)) + (1 - q) log((1 - q) / e), q = sigmoid(h)",
    .source = "EXO: Ji et al. 2024, arXiv 2402.00856, equation 16",
    .note = "Needs label_smoothing > 0; 0.001 is usual.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = loss_uses_scores,
    .compute = compute,
    .reward = loss_reward,
    .check = check,
};
