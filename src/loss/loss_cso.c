/* loss_cso.c - Chain-of-Strategy Optimization: DPO's sigmoid loss on the pairs of each turn.
 *
 * h = beta ((pc - rc) - (pr - rr)), the margin of the rewards, and with label smoothing e
 * L = -(1 - e) log sigmoid(h) - e log sigmoid(-h).
 * DPO: Rafailov et al. 2023, arXiv 2305.18290, equation 7; with e > 0 the conservative form of Mitchell 2023 ("cDPO").
 */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double beta = options->beta, e = options->label_smoothing;
    for (size_t i = 0; i < batch->n; i++) {
        size_t c = batch->first[i], r = c + 1; /* chosen, rejected */
        double h = beta * ((batch->policy[c] - batch->reference[c]) - (batch->policy[r] - batch->reference[r]));
        double dh = -(1 - e) * loss_sigmoid(-h) + e * loss_sigmoid(h);
        /* Without e, which would make 0 * inf of a huge margin. */
        result->loss[i] = e > 0 ? (1 - e) * loss_softplus(-h) + e * loss_softplus(h) : loss_softplus(-h);
        result->d_policy[c] = beta * dh;
        result->d_policy[r] = -beta * dh;
    }
}

const cso_loss cso_loss_cso = {
    .name = "cso",
    .what = "DPO's sigmoid loss on the pairs of each turn (keys: beta, label_smoothing)",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE,
    .compute = compute,
    .metric_names = loss_pair_metric_names,
    .metrics = loss_pair_metrics,
};
