/* loss_order.c - ranks of numbers among each other. */
#include "losses.h"

#include <math.h>

/* NaN comes last, as torch.sort has it, and has a rank of its own like any number. */
static bool is_before(double a, double b) {
    return a < b || (isnan(b) && !isnan(a));
}

/* Compares all with all: a step has some hundred examples, and no room for a sorted copy. */
size_t loss_rank(loss_key_function key, const cso_loss_batch *batch, size_t i) {
    double mine = key(batch, i);
    size_t rank = 0;
    for (size_t j = 0; j < batch->n; j++) {
        double other = key(batch, j);
        rank += is_before(other, mine) || (j < i && !is_before(mine, other));
    }
    return rank;
}

void loss_sorted_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result,
                         const loss_sorted_keys *keys) {
    double beta = options->beta, slope, *delta = result->loss;
    for (size_t i = 0; i < batch->n; i++)
        delta[loss_rank(keys->low, batch, i)] = -keys->low(batch, i);
    for (size_t i = 0; i < batch->n; i++)
        delta[loss_rank(keys->high, batch, i)] += keys->high(batch, i);
    for (size_t i = 0; i < batch->n; i++) {
        const size_t s = batch->first[i];
        loss_smooth_sigmoid(beta * delta[loss_rank(keys->high, batch, i)], options->label_smoothing, &slope);
        result->d_policy[s] = beta * slope;
        if (keys->rejected_is_low)
            loss_smooth_sigmoid(beta * delta[loss_rank(keys->low, batch, i)], options->label_smoothing, &slope);
        result->d_policy[s + 1] = -beta * slope;
    }
    for (size_t k = 0; k < batch->n; k++)
        delta[k] = loss_smooth_sigmoid(beta * delta[k], options->label_smoothing, &slope);
}
