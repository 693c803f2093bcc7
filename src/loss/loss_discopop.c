/* loss_discopop.c - DiscoPOP. */
#include "losses.h"

#include <math.h>

static const char *const uses[] = {"discopop_tau", LOSS_USES_SCORES, NULL};

static double value(const loss_pair *pair, double by_score[2], double by_ratio[2]) {
    (void)by_ratio;
    double beta = pair->options->beta, tau = pair->options->discopop_tau, h = beta * (pair->score[0] - pair->score[1]);
    double m = loss_sigmoid(h / tau), rest = loss_sigmoid(-h / tau), logistic = loss_softplus(-h);
    double exponential = exp(-h - loss_softplus(-h / tau)); /* m exp(-h), of which neither factor may overflow */
    double slope = -loss_sigmoid(-h) * rest - exponential + (exponential - logistic * m) * rest / tau;
    by_score[0] = beta * slope;
    by_score[1] = -beta * slope;
    return logistic * rest + exponential;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    loss_pairs_compute(options, batch, result, value);
}

const cso_loss cso_loss_discopop = {
    .name = "discopop",
    .what = "a blend of a logistic and an exponential loss, found by search",
    .formula = "L = (1 - m) (-log sigmoid(h)) + m exp(-h), m = sigmoid(h / tau)",
    .source = "DiscoPOP: Lu et al. 2024, arXiv 2406.08414, equation 5",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
