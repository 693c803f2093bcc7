/* loss_plackett_luce.c - the likelihood of the order of all replies of a turn under Plackett and Luce's model.
 *
 * Each reply is to win against all behind it: with rewards r and ranks, L = -sum_k log(exp r_k / (exp r_k + sum exp r_j of the
 * replies j behind k)). Replies of equal rank are not compared. For two replies it is DPO's loss.
 * Rafailov et al. 2023, arXiv 2305.18290, appendix A.3, equation 20; ties: each factor has only what is known to be behind.
 */
#include "losses.h"

#include <math.h>

/* The replies of one turn. */
typedef struct turn {
    const cso_loss_options *options;
    const cso_loss_batch *batch;
    size_t from, to; /* its sequences */
} turn;

static double reward(const turn *t, size_t s) {
    return loss_reward(t->options, t->batch, s);
}

static bool counts(const turn *t, size_t s, size_t k) {
    return s == k || t->batch->rank[s] > t->batch->rank[k];
}

/* The log of the sum of exp r over reply k and all behind it. */
static double log_sum(const turn *t, size_t k) {
    double most = reward(t, k), sum = 0;
    for (size_t s = t->from; s < t->to; s++)
        if (counts(t, s, k))
            most = fmax(most, reward(t, s));
    for (size_t s = t->from; s < t->to; s++)
        if (counts(t, s, k))
            sum += exp(reward(t, s) - most);
    return most + log(sum);
}

static double value(const turn *t, double *d_policy) {
    double loss = 0, beta = t->options->beta;
    for (size_t k = t->from; k < t->to; k++) {
        double all = log_sum(t, k);
        loss += all - reward(t, k);
        for (size_t s = t->from; s < t->to; s++)
            if (s != k && counts(t, s, k)) {
                double p = exp(reward(t, s) - all);
                d_policy[s] += beta * p;
                d_policy[k] -= beta * p;
            }
    }
    return loss;
}

static void compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    for (size_t i = 0; i < batch->n; i++) {
        const turn t = {options, batch, batch->first[i], batch->first[i + 1]};
        result->loss[i] = value(&t, result->d_policy);
    }
}

static const char *const uses[] = {"strategy_weight", "balance", "q_weighting", "visit_smoothing", NULL};

const cso_loss cso_loss_plackett_luce = {
    .name = "plackett_luce",
    .what = "the order of all replies of a turn at once",
    .formula = "L = -sum over replies k of log(exp(r_k) / (exp(r_k) + sum over the replies j behind k of exp(r_j)))",
    .source = "Plackett 1975, Luce 1959; over rewards: Rafailov et al. 2023, arXiv 2305.18290, appendix A.3, equation 20",
    .note = "The preferred reply is first; the others follow in the order of their q where all have one, else tied behind it. Ties "
            "are not compared. For two replies it is cso.",
    .takes = CSO_EXAMPLE_LIST,
    .needs = CSO_LOSS_REFERENCE,
    .uses = uses,
    .compute = compute,
    .reward = loss_reward,
};
