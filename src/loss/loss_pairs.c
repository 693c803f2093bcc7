/* loss_pairs.c - what losses on pairs share: scores, rewards, and functions that neither overflow nor lose digits. */
#include "losses.h"

#include <math.h>

const char *const cso_divergence_words[] = {
    [CSO_DIVERGENCE_REVERSE_KL] = "reverse_kl",
    [CSO_DIVERGENCE_FORWARD_KL] = "forward_kl",
    [CSO_DIVERGENCE_JS] = "js_divergence",
    [CSO_DIVERGENCE_ALPHA] = "alpha_divergence",
    NULL,
};
const char *const cso_balance_words[] = {[CSO_BALANCE_NONE] = "none", [CSO_BALANCE_STRATEGY] = "strategy", NULL};
const char *const loss_uses_scores[] = {LOSS_USES_SCORES, NULL};

double loss_softplus(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

double loss_sigmoid(double x) {
    double e = exp(-fabs(x));
    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double loss_smooth_sigmoid(double x, double e, double *slope) {
    *slope = -(1 - e) * loss_sigmoid(-x) + e * loss_sigmoid(x);
    /* Without e, which would make 0 * inf of a huge margin. */
    return e > 0 ? (1 - e) * loss_softplus(-x) + e * loss_softplus(x) : loss_softplus(-x);
}

double loss_mean(const double *x, size_t n) {
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return (double)(sum / n);
}

double loss_tokens(const cso_loss_batch *batch, size_t s) {
    return (double)(batch->token_first[s + 1] - batch->token_first[s]);
}

/* The score of a log-ratio and its derivative. */
static double score(const cso_loss_options *options, double ratio, double *slope) {
    double a;
    switch (options->f_divergence_type) {
    case CSO_DIVERGENCE_FORWARD_KL:
        *slope = exp(-ratio);
        return -*slope;
    case CSO_DIVERGENCE_JS:
        *slope = loss_sigmoid(-ratio);
        return -loss_softplus(-ratio);
    case CSO_DIVERGENCE_ALPHA:
        a = options->f_alpha_divergence_coef - 1;
        if (fabs(a) >= 1e-6) {  /* else t^a / a - 1 / a goes to log t */
            enum { MOST = 80 }; /* as TRL clamps it, lest exp overflow */
            double power = a * ratio;
            *slope = power > MOST ? 0 : exp(power);
            return exp(power > MOST ? MOST : power) / a;
        }
        break;
    case CSO_DIVERGENCE_REVERSE_KL:
        break;
    }
    *slope = 1;
    return ratio;
}

void loss_pairs_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result,
                        loss_pair_function value) {
    for (size_t i = 0; i < batch->n; i++) {
        loss_pair pair = {.options = options};
        double slope[2], by_score[2] = {0}, by_ratio[2] = {0};
        for (size_t k = 0; k < 2; k++) {
            size_t s = batch->first[i] + k;
            pair.ratio[k] = batch->policy[s] - batch->reference[s];
            pair.score[k] = score(options, pair.ratio[k], &slope[k]);
            pair.tokens[k] = loss_tokens(batch, s);
        }
        result->loss[i] = value(&pair, by_score, by_ratio);
        for (size_t k = 0; k < 2; k++)
            result->d_policy[batch->first[i] + k] = by_score[k] * slope[k] + by_ratio[k];
    }
}

double loss_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s) {
    return options->beta * (batch->policy[s] - batch->reference[s]);
}
