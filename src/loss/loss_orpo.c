/* loss_orpo.c - ORPO: the likelihood of prompt and chosen reply, and the odds of the chosen reply against the rejected one. */
#include "losses.h"

#include <math.h>

/* log(odds) of a mean log-probability a < 0, a - log(1 - exp(a)); its derivative is 1 / (1 - exp(a)). */
static double log_odds_of(double a, double *slope) {
    double rest = fmax(-expm1(a), 1e-300);
    *slope = 1 / rest;
    return a - log(rest);
}

static double log_odds(const cso_loss_batch *batch, size_t i, double slope[2]) {
    double odds[2];
    for (size_t k = 0; k < 2; k++) {
        size_t s = batch->first[i] + k;
        double tokens = loss_tokens(batch, s);
        odds[k] = log_odds_of(batch->policy[s] / tokens, &slope[k]);
        slope[k] /= tokens;
    }
    return odds[0] - odds[1];
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double factor = -(double)batch->step.examples / (batch->step.prompt_tokens + batch->step.first_tokens);
    for (size_t i = 0; i < batch->n; i++) {
        size_t c = batch->first[i], r = c + 1, prompt = c + 2;
        double slope[2], h = log_odds(batch, i, slope), d = -options->beta * loss_sigmoid(-h);
        result->loss[i] = options->beta * loss_softplus(-h) + factor * (batch->policy[c] + batch->policy[prompt]);
        result->d_policy[c] = d * slope[0] + factor;
        result->d_policy[r] = -d * slope[1];
        result->d_policy[prompt] = factor;
    }
}

static double nll(const cso_loss_options *options, const cso_loss_batch *batch) {
    (void)options;
    long double sum = 0;
    for (size_t i = 0; i < batch->n; i++)
        sum += batch->policy[batch->first[i]] + batch->policy[batch->first[i] + 2];
    return (double)(-sum / (batch->step.prompt_tokens + batch->step.first_tokens));
}

static double mean_log_odds(const cso_loss_options *options, const cso_loss_batch *batch) {
    (void)options;
    long double sum = 0;
    double slope[2];
    for (size_t i = 0; i < batch->n; i++)
        sum += log_odds(batch, i, slope);
    return (double)(sum / batch->n);
}

static double mean_log_odds_ratio(const cso_loss_options *options, const cso_loss_batch *batch) {
    (void)options;
    long double sum = 0;
    double slope[2];
    for (size_t i = 0; i < batch->n; i++)
        sum -= loss_softplus(-log_odds(batch, i, slope));
    return (double)(sum / batch->n);
}

static const char *const uses[] = {"strategy_weight", "balance", "q_weighting", "visit_smoothing", NULL};
static const cso_loss_extra extras[] = {
    {"nll_loss", nll}, {"log_odds_chosen", mean_log_odds}, {"log_odds_ratio", mean_log_odds_ratio}, {0}};

const cso_loss cso_loss_orpo = {
    .name = "orpo",
    .what = "the likelihood of prompt and chosen reply, and the odds against the rejected one, without a reference",
    .formula = "L = NLL - beta log sigmoid(o_c - o_r), o = a - log(1 - exp(a)), a = log pi / T,\n"
               "NLL = the mean over the tokens of prompts and chosen replies",
    .source = "ORPO: Hong et al. 2024, arXiv 2403.07691, equations 4, 6 and 7",
    .note = "Texts end with the end-of-text token, and the prompt counts, as TRL's ORPO trainer has it.",
    .takes = CSO_EXAMPLE_PAIR,
    .needs = CSO_LOSS_END_TOKEN | CSO_LOSS_PROMPT,
    .uses = uses,
    .compute = compute,
    .reward = loss_mean_reward,
    .extras = extras,
};
