/* loss_aot.c - AOT: the distribution of the policy's margins is to lie above that of the reference's, by optimal transport: both are
 * sorted and compared rank by rank. */
#include "losses.h"

static double policy_margin(const cso_loss_batch *batch, size_t i) {
    const double *p = batch->policy + batch->first[i];
    return p[0] - p[1];
}

static double reference_margin(const cso_loss_batch *batch, size_t i) {
    const double *r = batch->reference + batch->first[i];
    return r[0] - r[1];
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    static const loss_sorted_keys keys = {.high = policy_margin, .low = reference_margin};
    loss_sorted_compute(options, batch, result, &keys);
}

static const char *const uses[] = {"ld_alpha", "strategy_weight", NULL};

const cso_loss cso_loss_aot = {
    .name = "aot",
    .what = "sorted margins of the policy above those of the reference, over the whole step",
    .formula = "L = mean over ranks k of -(1 - e) log sigmoid(beta d_k) - e log sigmoid(-beta d_k),\n"
               "d_k = the k-th smallest (log pi_c - log pi_r) less the k-th smallest (log ref_c - log ref_r)",
    .source = "AOT (paired): Melnyk et al. 2024, arXiv 2406.05882",
    .note = "Depends on all pairs of the step together: train.batch_size changes it.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE | CSO_LOSS_WHOLE_BATCH,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
