/* objective.c - the weighted sum of losses, and what is reported of it. */
#include "objective.h"

#include "losses.h"

#include <math.h>
#include <string.h>

size_t cso_objective_parts(const cso_objective *objective) {
    return objective->n > 1 ? objective->n : 0;
}

size_t cso_objective_room(const cso_objective *objective, size_t n, size_t n_sequences, size_t n_tokens) {
    return objective->n > 1 ? n + n_sequences + n_tokens : 0;
}

/* sum += factor * x. */
static void add_scaled(double *sum, const double *x, double factor, size_t n) {
    for (size_t i = 0; i < n; i++)
        sum[i] += factor * x[i];
}

static void scale(double *x, double factor, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void scale_all(cso_loss_result *result, const cso_loss_batch *batch, double factor) {
    size_t n_sequences = batch->first[batch->n];
    scale(result->loss, factor, batch->n);
    scale(result->d_policy, factor, n_sequences);
    if (result->d_tokens)
        scale(result->d_tokens, factor, batch->token_first[n_sequences]);
}

/* One loss after the other, each into the room, and from there added up. */
static void compute_parts(const cso_objective *objective, const cso_loss_batch *batch, cso_objective_result *result) {
    size_t n = batch->n, n_sequences = batch->first[n], n_tokens = result->all.d_tokens ? batch->token_first[n_sequences] : 0;
    cso_loss_result one = {.loss = result->room, .d_policy = result->room + n};
    one.d_tokens = n_tokens ? one.d_policy + n_sequences : NULL;
    for (size_t k = 0; k < objective->n; k++) {
        memset(result->room, 0, (n + n_sequences + n_tokens) * sizeof *result->room);
        objective->loss[k]->compute(&objective->options, batch, &one);
        for (size_t i = 0; i < n; i++)
            result->parts[i * objective->n + k] = one.loss[i];
        add_scaled(result->all.loss, one.loss, objective->weight[k], n);
        add_scaled(result->all.d_policy, one.d_policy, objective->weight[k], n_sequences);
        add_scaled(result->all.d_tokens, one.d_tokens, objective->weight[k], n_tokens);
    }
}

/* The weight of example i. */
static double example_weight(const cso_objective *objective, const cso_loss_batch *batch, const double *weights, size_t i) {
    double weight = weights ? weights[i] : 1;
    size_t first = batch->first[i];
    if (objective->options.use_weighting)
        weight *= exp(batch->alignment[first] + batch->alignment[first + 1]);
    return weight;
}

static void weigh_examples(const cso_objective *objective, const cso_loss_batch *batch, const double *weights,
                           cso_objective_result *result) {
    for (size_t i = 0; i < batch->n; i++) {
        double weight = example_weight(objective, batch, weights, i);
        result->all.loss[i] *= weight;
        for (size_t k = 0; k < cso_objective_parts(objective); k++)
            result->parts[i * objective->n + k] *= weight;
        for (size_t s = batch->first[i]; s < batch->first[i + 1]; s++) {
            result->all.d_policy[s] *= weight;
            for (size_t t = batch->token_first[s]; result->all.d_tokens && t < batch->token_first[s + 1]; t++)
                result->all.d_tokens[t] *= weight;
        }
    }
}

void cso_objective_compute(const cso_objective *objective, const cso_loss_batch *batch, const double *weights,
                           cso_objective_result *result) {
    if (objective->n > 1) {
        compute_parts(objective, batch, result);
    } else {
        objective->loss[0]->compute(&objective->options, batch, &result->all);
        scale_all(&result->all, batch, objective->weight[0]);
    }
    if (weights || objective->options.use_weighting)
        weigh_examples(objective, batch, weights, result);
}

/* The loss whose rewards are reported: the first that has any. */
static const cso_loss *rewarding(const cso_objective *objective) {
    for (size_t k = 0; k < objective->n; k++)
        if (objective->loss[k]->reward)
            return objective->loss[k];
    return NULL;
}

bool cso_objective_has_rewards(const cso_objective *objective) {
    return rewarding(objective) != NULL;
}

size_t cso_objective_own(const cso_objective *objective, const cso_loss_batch *batch, size_t i) {
    bool more = (objective->needs & (CSO_LOSS_MISMATCHED | CSO_LOSS_PROMPT)) != 0;
    return batch->first[i + 1] - batch->first[i] - more;
}

cso_preference cso_objective_preference(const cso_objective *objective, const cso_loss_batch *batch, size_t i) {
    const cso_loss *loss = rewarding(objective);
    size_t first = batch->first[i], others = cso_objective_own(objective, batch, i) - 1;
    cso_preference p = {
        .reward = {loss->reward(&objective->options, batch, first)}, .logps = {batch->policy[first]}, .correct = true};
    for (size_t k = 1; k <= others; k++) {
        double reward = loss->reward(&objective->options, batch, first + k);
        p.reward[1] += reward;
        p.logps[1] += batch->policy[first + k];
        p.correct &= p.reward[0] > reward;
    }
    p.reward[1] /= (double)others;
    p.logps[1] /= (double)others;
    p.margin = p.reward[0] - p.reward[1];
    return p;
}

/* Sums over the examples; [0] chosen, [1] rejected. */
typedef struct reward_sums {
    long double reward[2], logps[2], margin;
    size_t correct, count[2];
} reward_sums;

static void add_preference(reward_sums *sums, const cso_objective *objective, const cso_loss_batch *batch, size_t i) {
    const cso_preference p = cso_objective_preference(objective, batch, i);
    for (size_t side = 0; side < 2; side++) {
        sums->reward[side] += p.reward[side];
        sums->logps[side] += p.logps[side];
        sums->count[side]++;
    }
    sums->margin += p.margin;
    sums->correct += p.correct;
}

static void add_labeled(reward_sums *sums, const cso_objective *objective, const cso_loss_batch *batch, size_t i) {
    size_t s = batch->first[i], side = !batch->label[i];
    sums->reward[side] += rewarding(objective)->reward(&objective->options, batch, s);
    sums->logps[side] += batch->policy[s];
    sums->count[side]++;
}

static double mean_of(long double sum, size_t count) {
    return count ? (double)(sum / count) : NAN;
}

/* In the order of name_metrics in objective_check.c. */
static double *reward_metrics(const cso_objective *objective, const cso_loss_batch *batch, double *value) {
    bool labeled = objective->takes == CSO_EXAMPLE_LABELED;
    reward_sums sums = {.margin = 0};
    for (size_t i = 0; i < batch->n; i++)
        (labeled ? add_labeled : add_preference)(&sums, objective, batch, i);
    double chosen = mean_of(sums.reward[0], sums.count[0]), rejected = mean_of(sums.reward[1], sums.count[1]);
    *value++ = chosen;
    *value++ = rejected;
    if (!labeled)
        *value++ = mean_of(sums.correct, batch->n);
    *value++ = labeled ? chosen - rejected : mean_of(sums.margin, batch->n);
    *value++ = mean_of(sums.logps[0], sums.count[0]);
    *value++ = mean_of(sums.logps[1], sums.count[1]);
    return value;
}

static double part_mean(const cso_objective *objective, const double *parts, size_t n, size_t k) {
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parts[i * objective->n + k];
    return (double)(sum / n);
}

static bool is_first_extra(const cso_objective *objective, size_t loss, const char *name) {
    for (size_t k = 0; k < loss; k++)
        for (const cso_loss_extra *extra = objective->loss[k]->extras; extra && extra->name; extra++)
            if (!strcmp(extra->name, name))
                return false;
    return true;
}

void cso_objective_metrics(const cso_objective *objective, const cso_loss_batch *batch, const double *loss, const double *parts,
                           double *values) {
    double *value = values;
    *value++ = loss_mean(loss, batch->n);
    for (size_t k = 0; k < cso_objective_parts(objective); k++)
        *value++ = part_mean(objective, parts, batch->n, k);
    if (cso_objective_has_rewards(objective))
        value = reward_metrics(objective, batch, value);
    for (size_t k = 0; k < objective->n; k++)
        for (const cso_loss_extra *extra = objective->loss[k]->extras; extra && extra->name; extra++)
            if (is_first_extra(objective, k, extra->name))
                *value++ = extra->value(&objective->options, batch);
}

double cso_objective_token_weight(const cso_objective *objective, size_t k, size_t shared, bool strategy) {
    double weight = k < shared ? 1 : objective->options.ld_alpha;
    return strategy ? weight * objective->options.strategy_weight : weight;
}
