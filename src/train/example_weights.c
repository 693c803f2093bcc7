/* example_weights.c - see example_weights.h. */
#include "example_weights.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A factor of an example's weight before it is divided by its mean; NaN: the data do not say. */
typedef struct factor {
    const cso_loss_options *options;
    double (*value)(const cso_loss_options *options, const cso_dataset *data, size_t i);
    const char *key;
} factor;

static double q_difference(const cso_loss_options *options, const cso_dataset *data, size_t i) {
    (void)options;
    const cso_example *example = &data->examples[i];
    const cso_example_sequence *sequences = cso_dataset_sequences(data, i);
    double others = 0;
    for (size_t k = 1; k < example->n; k++)
        others += sequences[k].q;
    double difference = sequences[0].q - others / (double)(example->n - 1);
    return isnan(difference) ? NAN : fmax(difference, 0);
}

static double visits(const cso_loss_options *options, const cso_dataset *data, size_t i) {
    const cso_example_sequence *sequences = cso_dataset_sequences(data, i);
    double fewest = INFINITY;
    for (size_t k = 0; k < data->examples[i].n; k++) {
        if (isnan(sequences[k].n))
            return NAN;
        fewest = fmin(fewest, sequences[k].n);
    }
    return fewest > 0 ? fewest / (fewest + options->visit_smoothing) : 0;
}

static const char *strategy_of(const cso_dataset *data, size_t i) {
    return cso_dataset_sequences(data, i)->strategy;
}

static cso_status multiply(const factor *f, const cso_dataset *data, double *weights, cso_error *err) {
    long double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < data->count; i++) {
        double value = f->value(f->options, data, i);
        if (!isnan(value)) {
            sum += value;
            count++;
        }
    }
    if (count && !(sum > 0))
        return cso_fail(err, CSO_ERR_INPUT, "%s: all %zu examples that it weighs would have the weight 0", f->key, count);
    for (size_t i = 0; i < data->count; i++) {
        double value = f->value(f->options, data, i);
        if (!isnan(value))
            weights[i] *= (double)(value * (long double)count / sum);
    }
    return CSO_OK;
}

/* A strategy's examples. Pointers of equal names may differ, so texts are compared. */
typedef struct strategy_count {
    const char *name;
    size_t n;
} strategy_count;

static strategy_count *find(strategy_count *counts, size_t k, const char *name) {
    for (size_t j = 0; j < k; j++)
        if (counts[j].name == name || !strcmp(counts[j].name, name))
            return &counts[j];
    return NULL;
}

static cso_status balance(const cso_dataset *data, double *weights, cso_error *err) {
    strategy_count *counts = NULL, *known;
    size_t k = 0, capacity = 0, n = 0;
    for (size_t i = 0; i < data->count; i++) {
        const char *name = strategy_of(data, i);
        if (!name)
            continue;
        n++;
        known = find(counts, k, name);
        if (known) {
            known->n++;
            continue;
        }
        if (!cso_grow(&counts, &capacity, k + 1, sizeof *counts)) {
            free(counts);
            return cso_fail_memory(err, "the strategies");
        }
        counts[k++] = (strategy_count){name, 1};
    }
    for (size_t i = 0; i < data->count; i++)
        if (strategy_of(data, i))
            weights[i] *= (double)n / ((double)k * (double)find(counts, k, strategy_of(data, i))->n);
    free(counts);
    return CSO_OK;
}

static cso_status fill(const cso_objective *objective, const cso_dataset *data, double *weights, cso_error *err) {
    const cso_loss_options *options = &objective->options;
    const factor by_q = {options, q_difference, "loss.q_weighting"}, by_visits = {options, visits, "loss.visit_smoothing"};
    for (size_t i = 0; i < data->count; i++)
        weights[i] = 1;
    if (options->balance == CSO_BALANCE_STRATEGY)
        CSO_TRY(balance(data, weights, err));
    if (options->q_weighting)
        CSO_TRY(multiply(&by_q, data, weights, err));
    if (options->visit_smoothing > 0)
        CSO_TRY(multiply(&by_visits, data, weights, err));
    return CSO_OK;
}

cso_status cso_example_weights(const cso_objective *objective, const cso_dataset *data, double **weights, cso_error *err) {
    *weights = NULL;
    if (!objective->example_weights)
        return CSO_OK;
    *weights = cso_calloc(data->count, sizeof **weights);
    if (!*weights)
        return cso_fail_memory(err, "the weights of examples");
    cso_status status = fill(objective, data, *weights, err);
    if (status != CSO_OK) {
        free(*weights);
        *weights = NULL;
    }
    return status;
}

cso_weighed_counts cso_count_weighed(const cso_dataset *data) {
    const cso_loss_options options = cso_loss_default_options();
    cso_weighed_counts counts = {0};
    for (size_t i = 0; i < data->count; i++) {
        bool several = data->examples[i].n > 1;
        counts.strategy += strategy_of(data, i) != NULL;
        counts.q += several && !isnan(q_difference(&options, data, i));
        counts.visits += !isnan(visits(&options, data, i));
    }
    return counts;
}
