/* run_objective.c - see run_objective.h. */
#include "run_objective.h"

cso_status cso_run_objective(const cso_run_config *config, cso_objective *objective, cso_error *err) {
    const cso_strings *types = &config->loss.types;
    const cso_numbers *weights = &config->loss.weights;
    size_t n = types->count ? types->count : 1;
    if (weights->count && !types->count)
        return cso_fail(err, CSO_ERR_USAGE, "loss.weights: are for loss.types, which is empty");
    if (weights->count && weights->count != n)
        return cso_fail(err, CSO_ERR_USAGE, "loss.weights: %zu for %zu loss.types (expected one for each)", weights->count, n);
    double sum = 0;
    for (size_t i = 0; i < weights->count; i++)
        sum += weights->items[i];
    if (weights->count && sum <= 0)
        return cso_fail(err, CSO_ERR_USAGE, "loss.weights: all are 0 (expected one above 0)");
    const char *one = config->loss.type;
    return cso_objective_make(objective, types->count ? (const char *const *)types->items : &one,
                              weights->count ? weights->items : NULL, n, &config->loss.options, err);
}
