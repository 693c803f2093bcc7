/* loss_aot_unpaired.c - AOT without pairs: the distribution of the chosen replies' log-ratios is to lie above that of the rejected
 * ones', both sorted and compared rank by rank. */
#include "losses.h"

static double log_ratio(const cso_loss_batch *batch, size_t s) {
    return batch->policy[s] - batch->reference[s];
}

static double chosen_ratio(const cso_loss_batch *batch, size_t i) {
    return log_ratio(batch, batch->first[i]);
}

static double rejected_ratio(const cso_loss_batch *batch, size_t i) {
    return log_ratio(batch, batch->first[i] + 1);
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    static const loss_sorted_keys keys = {.high = chosen_ratio, .low = rejected_ratio, .rejected_is_low = true};
    loss_sorted_compute(options, batch, result, &keys);
}

static const char *const uses[] = {"ld_alpha", "strategy_weight", NULL};

const cso_loss cso_loss_aot_unpaired = {
    .name = "aot_unpaired",
    .what = "sorted log-ratios of chosen replies above those of rejected ones, over the whole step",
    .formula = "L = mean over ranks k of -(1 - e) log sigmoid(beta d_k) - e log sigmoid(-beta d_k),\n"
               "d_k = the k-th smallest l_c less the k-th smallest l_r",
    .source = "AOT (unpaired): Melnyk et al. 2024, arXiv 2406.05882",
    .note = "Depends on all pairs of the step together: train.batch_size changes it.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_REFERENCE | CSO_LOSS_WHOLE_BATCH,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
