/* loss_cso.c - Chain-of-Strategy Optimization: DPO's sigmoid loss on the pairs of each turn.
 *
 * h = beta ((pc - rc) - (pr - rr)), the margin of the rewards, and with label smoothing e
 * L = -(1 - e) log sigmoid(h) - e log sigmoid(-h).
 * DPO: Rafailov et al. 2023, arXiv 2305.18290, equation 7; with e > 0 the conservative form of Mitchell 2023 ("cDPO").
 */
#include "losses.h"

#include <math.h>

/* log(1 + exp(x)) without overflow; -log sigmoid(h) = softplus(-h). */
static double softplus(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static void cso_pairs(const cso_loss_options *options, const cso_loss_batch *batch, double *loss, double *d_policy[2]) {
    double beta = options->beta, e = options->label_smoothing;
    for (size_t i = 0; i < batch->n; i++) {
        double h = beta * ((batch->policy[0][i] - batch->reference[0][i]) - (batch->policy[1][i] - batch->reference[1][i]));
        double dh = -(1 - e) * sigmoid(-h) + e * sigmoid(h);
        loss[i] = e > 0 ? (1 - e) * softplus(-h) + e * softplus(h) : softplus(-h); /* e = 0: inf * 0 must not come in */
        d_policy[0][i] = beta * dh;
        d_policy[1][i] = -beta * dh;
    }
}

static cso_status cso_check(const cso_loss_options *options, cso_error *err) {
    if (!(options->beta > 0) || !isfinite(options->beta))
        return cso_fail(err, CSO_ERR_USAGE, "loss.beta: %g does not do (expected a number above 0)", options->beta);
    if (!(options->label_smoothing >= 0 && options->label_smoothing < 0.5))
        return cso_fail(err, CSO_ERR_USAGE, "loss.label_smoothing: %g does not do (expected 0 to below 0.5)",
                        options->label_smoothing);
    return CSO_OK;
}

const cso_loss cso_loss_cso = {
    .name = "cso",
    .what = "DPO's sigmoid loss on the pairs of each turn (keys: beta, label_smoothing)",
    .pairs = cso_pairs,
    .check = cso_check,
};
