/* loss_simpo.c - SimPO: the sigmoid loss on mean log-probabilities, with a margin and without a reference. */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double beta = options->beta, slope;
    for (size_t i = 0; i < batch->n; i++) {
        size_t c = batch->first[i], r = c + 1;
        double tokens_c = loss_tokens(batch, c), tokens_r = loss_tokens(batch, r);
        double h = beta * (batch->policy[c] / tokens_c - batch->policy[r] / tokens_r) - options->simpo_gamma;
        result->loss[i] = loss_smooth_sigmoid(h, options->label_smoothing, &slope);
        result->d_policy[c] = beta * slope / tokens_c;
        result->d_policy[r] = -beta * slope / tokens_r;
    }
}

static const char *const uses[] = {"simpo_gamma", "strategy_weight", "balance", "q_weighting", "visit_smoothing", NULL};

const cso_loss cso_loss_simpo = {
    .name = "simpo",
    .what = "the sigmoid loss on log-probabilities by token, with a margin, without a reference",
    .formula = "L = -(1 - e) log sigmoid(g) - e log sigmoid(-g),\n"
               "g = beta (log pi_c / T_c - log pi_r / T_r) - simpo_gamma",
    .source = "SimPO: Meng et al. 2024, arXiv 2405.14734, equation 6",
    .note =
        "beta is usually 2 to 10 here. CPO-SimPO is loss.types = [\"simpo\", \"sft\"]. Texts end with the end-of-text token, as "
        "TRL's CPO trainer has it.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_END_TOKEN,
    .uses = uses,
    .compute = compute,
    .reward = loss_mean_reward,
};
