/* loss_cpo.c - CPO: the sigmoid loss without a reference, and the likelihood of the chosen reply beside it. */
#include "losses.h"

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double beta = options->beta, slope;
    for (size_t i = 0; i < batch->n; i++) {
        size_t c = batch->first[i], r = c + 1;
        result->loss[i] = loss_smooth_sigmoid(beta * (batch->policy[c] - batch->policy[r]), options->label_smoothing, &slope);
        result->d_policy[c] = beta * slope;
        result->d_policy[r] = -beta * slope;
    }
    if (options->cpo_alpha > 0)
        loss_add_nll(options->cpo_alpha, batch, result);
}

static const char *const uses[] = {"cpo_alpha", "strategy_weight", "balance", "q_weighting", "visit_smoothing", NULL};
static const cso_loss_extra extras[] = {{"nll_loss", loss_nll}, {0}};

const cso_loss cso_loss_cpo = {
    .name = "cpo",
    .what = "the sigmoid loss without a reference, beside the chosen reply's likelihood",
    .formula = "L = -(1 - e) log sigmoid(g) - e log sigmoid(-g) + cpo_alpha NLL_c,\n"
               "g = beta (log pi_c - log pi_r), NLL_c = the mean over the chosen replies' tokens",
    .source = "CPO: Xu et al. 2024, arXiv 2401.08417, equation 3",
    .note = "Texts end with the end-of-text token, as TRL's CPO trainer has it.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_END_TOKEN,
    .uses = uses,
    .compute = compute,
    .reward = loss_sum_reward,
    .extras = extras,
};
