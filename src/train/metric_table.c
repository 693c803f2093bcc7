/* metric_table.c - see metric_table.h. */
#include "metric_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PAIRS, ACCURACY, MARGIN, PER_STRATEGY };
static const char *const PREFIXES[PER_STRATEGY] = {"pairs", "rewards/accuracies", "rewards/margins"};

static size_t find_strategy(const cso_metric_table *table, const char *name) {
    size_t k = 0;
    while (k < table->n_strategies && strcmp(table->strategies[k], name) != 0)
        k++;
    return k;
}

/* The preferred reply's strategy; NULL: it has none. */
static const char *preferred_strategy(const cso_dataset *data, size_t example) {
    return cso_dataset_sequences(data, example)->strategy;
}

static void find_strategies(cso_metric_table *table, const cso_dataset *data) {
    for (size_t i = 0; data && i < data->count; i++) {
        const char *name = preferred_strategy(data, i);
        if (!name || table->n_strategies == CSO_MAX_STRATEGIES || strlen(name) >= sizeof *table->strategies)
            continue;
        if (find_strategy(table, name) == table->n_strategies)
            snprintf(table->strategies[table->n_strategies++], sizeof *table->strategies, "%s", name);
    }
}

void cso_metric_table_make(cso_metric_table *table, const cso_objective *objective, const cso_dataset *train,
                           const cso_dataset *eval) {
    bool by_strategy = objective->takes == CSO_EXAMPLE_PAIR || objective->takes == CSO_EXAMPLE_LIST;
    memset(table, 0, sizeof *table);
    table->objective = objective;
    if (by_strategy && cso_objective_has_rewards(objective)) {
        find_strategies(table, train);
        find_strategies(table, eval);
    }
    size_t n = 0;
    for (; n < objective->n_metrics; n++)
        table->names[n] = objective->metric_names[n];
    for (size_t k = 0; k < table->n_strategies; k++)
        for (size_t m = 0; m < PER_STRATEGY; m++, n++) {
            char *name = table->strategy_names[k * PER_STRATEGY + m];
            snprintf(name, sizeof *table->strategy_names, "%s/%s", PREFIXES[m], table->strategies[k]);
            table->names[n] = name;
        }
}

/* The metrics of one strategy: values[0 .. PER_STRATEGY). */
static void strategy_values(const cso_metric_table *table, size_t strategy, const cso_step_values *step, double *values) {
    size_t count = 0, correct = 0;
    long double margin = 0;
    for (size_t i = 0; i < step->batch->n; i++) {
        const char *name = preferred_strategy(step->data, step->examples[i]);
        if (!name || find_strategy(table, name) != strategy)
            continue;
        const cso_preference p = cso_objective_preference(table->objective, step->batch, i);
        count++;
        correct += p.correct;
        margin += p.margin;
    }
    values[PAIRS] = (double)count;
    values[ACCURACY] = count ? (double)correct / (double)count : NAN;
    values[MARGIN] = count ? (double)(margin / count) : NAN;
}

void cso_metric_table_compute(const cso_metric_table *table, const cso_step_values *step, double *values, double *weights) {
    const cso_objective *objective = table->objective;
    const cso_loss_totals *totals = &step->batch->step;
    size_t n = objective->n_metrics;
    double whole = objective->token_mean ? totals->first_tokens : (double)totals->examples;
    cso_objective_metrics(objective, step->batch, step->loss, step->parts, values);
    for (size_t i = 0; i < n; i++)
        weights[i] = isnan(values[i]) ? 0 : whole;
    for (size_t k = 0; k < table->n_strategies; k++, n += PER_STRATEGY) {
        strategy_values(table, k, step, values + n);
        for (size_t m = 0; m < PER_STRATEGY; m++)
            weights[n + m] = m == PAIRS ? 1 : values[n + PAIRS];
    }
}

bool cso_metric_is_count(const cso_metric_table *table, size_t metric) {
    size_t first = table->objective->n_metrics;
    return metric >= first && (metric - first) % PER_STRATEGY == PAIRS;
}
