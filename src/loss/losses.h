/* losses.h - what losses share; inside src/loss only. */
#ifndef CSO_LOSSES_H
#define CSO_LOSSES_H

#include "loss.h"

/* The mean of n numbers, summed with 64 bits of mantissa at least: the mean of n equal numbers is exactly that number (ln 2 at the
 * start of a run). */
double loss_mean(const double *x, size_t n);

/* log(1 + exp(x)) without overflow; -log sigmoid(x) = loss_softplus(-x). */
double loss_softplus(double x);
double loss_sigmoid(double x);

/* -(1 - e) log sigmoid(x) - e log sigmoid(-x), and its derivative: the sigmoid loss for labels that are wrong with probability e. */
double loss_smooth_sigmoid(double x, double e, double *slope);

/* loss_pairs.c: losses on pairs that see a sequence as one number (score), with a reference. */
typedef struct loss_pair {
    const cso_loss_options *options;
    double score[2];  /* chosen, rejected: the divergence's function of the log-ratio; log pi / ref by default */
    double ratio[2];  /* log pi / ref, whatever the divergence */
    double tokens[2]; /* counted tokens of each */
} loss_pair;
/* The loss of one pair; by_score and by_ratio, zero before, get its derivatives. */
typedef double (*loss_pair_function)(const loss_pair *pair, double by_score[2], double by_ratio[2]);
void loss_pairs_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result,
                        loss_pair_function value);

/* Rewards beta * (policy - reference). */
double loss_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s);

/* What TRL's DPO trainer has for each of its losses; for `uses`. */
#define LOSS_USES_SCORES                                                                                                           \
    "ld_alpha", "use_weighting", "f_divergence_type", "f_alpha_divergence_coef", "strategy_weight", "balance", "q_weighting",      \
        "visit_smoothing"
extern const char *const loss_uses_scores[]; /* LOSS_USES_SCORES */

/* loss_noref.c: losses on pairs without a reference. The log-probability of a sequence as the loss sees it, a sum or a mean over its
 * tokens, and with it the rewards beta * log-probability. */
double loss_tokens(const cso_loss_batch *batch, size_t s);
double loss_sum_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s);
double loss_mean_reward(const cso_loss_options *options, const cso_loss_batch *batch, size_t s);
/* The mean negative log-likelihood of a chosen reply's token over the step; loss_add_nll adds weight * that. */
double loss_nll(const cso_loss_options *options, const cso_loss_batch *batch);
void loss_add_nll(double weight, const cso_loss_batch *batch, cso_loss_result *result);

/* loss_labels.c: desirable_weight or undesirable_weight. */
double loss_label_weight(const cso_loss_options *options, bool desirable);

/* loss_order.c: losses that compare two sorted lists of numbers, one of each example. */
typedef double (*loss_key_function)(const cso_loss_batch *batch, size_t i);
/* The place of example i among all, ascending; of equal ones the first comes first, as torch.sort has it. */
size_t loss_rank(loss_key_function key, const cso_loss_batch *batch, size_t i);
typedef struct loss_sorted_keys {
    loss_key_function high, low; /* the first is to lie above the second, rank by rank */
    bool rejected_is_low;        /* high depends on the chosen reply alone and low on the rejected one; else high on both */
} loss_sorted_keys;
/* The smooth sigmoid loss of beta * (sorted high - sorted low), rank by rank; loss[k] is that of rank k. */
void loss_sorted_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result,
                         const loss_sorted_keys *keys);

#endif
