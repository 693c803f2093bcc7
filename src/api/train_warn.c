/* train_warn.c - settings and data that are valid, but do less than they seem to: one warning each. */
#include "train_open.h"

#include "config/config.h"
#include "train/example_weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void warn(const cso_train_observer *observer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(const cso_train_observer *observer, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    observer->warning(observer->context, text);
}

static void warn_of(const char *key, const cso_data_counts *counts, bool own_strategies, const cso_train_observer *observer) {
    if (counts->unknown_strategies)
        warn(observer, "%s: %zu replies have a strategy that is not one of %s", key, counts->unknown_strategies,
             own_strategies ? "those in data.strategies" : "ESC-Pro's eight");
    if (counts->too_long_dropped)
        warn(observer, "%s: %zu examples are longer than data.max_length and are dropped", key, counts->too_long_dropped);
}

void train_warn_of_data(const train_run *run, const cso_train_observer *observer) {
    if (!observer->warning)
        return;
    warn_of("data.train", &run->train.counts, run->strategies, observer);
    warn_of("data.eval", &run->eval.counts, run->strategies, observer);
}

static bool same_targets(const cso_strings *names, const cso_lora_options *lora) {
    size_t count = 0;
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        count += lora->targets[m];
    for (size_t i = 0; i < names->count; i++)
        for (int m = 0; m < CSO_MODULE_COUNT; m++)
            if (!strcmp(names->items[i], cso_module_name((cso_module)m)) && !lora->targets[m])
                return false;
    return count == names->count;
}

/* An adapter that is gone on with brings its own shape; what says otherwise is not heard. */
static void warn_of_adapter(const train_run *run, const cso_run_config *config, const cso_train_observer *observer) {
    const cso_lora_options *lora = &run->adapter->options;
    if (!strcmp(config->lora.init, "default"))
        return;
    if (cso_run_config_given(config, "lora.rank") && config->lora.rank != lora->rank)
        warn(observer, "lora.rank = %zu has no effect: the adapter of lora.init has rank %zu", config->lora.rank, lora->rank);
    if (cso_run_config_given(config, "lora.alpha") && config->lora.alpha != lora->alpha)
        warn(observer, "lora.alpha = %g has no effect: the adapter of lora.init has alpha %g", config->lora.alpha, lora->alpha);
    if (cso_run_config_given(config, "lora.rslora") && config->lora.rslora != lora->rslora)
        warn(observer, "lora.rslora has no effect: the adapter of lora.init is scaled by alpha / %s",
             lora->rslora ? "sqrt(rank)" : "rank");
    if (cso_run_config_given(config, "lora.targets") && !same_targets(&config->lora.targets, lora))
        warn(observer, "lora.targets has no effect: the adapter of lora.init has projections of its own");
}

static void warn_of_weight(const char *key, const char *what, size_t known, size_t all, const cso_train_observer *observer) {
    if (!known)
        warn(observer, "%s has no effect: no example of data.train has %s", key, what);
    else if (known < all)
        warn(observer, "%s: %zu of %zu examples have no %s and count 1", key, all - known, all, what);
}

/* Weights that come from the data, where the data do not have what they come from. */
static void warn_of_weights(const train_run *run, const cso_train_observer *observer) {
    const cso_loss_options *options = &run->objective.options;
    const cso_weighed_counts known = cso_count_weighed(&run->train);
    size_t all = run->train.count;
    if (options->balance == CSO_BALANCE_STRATEGY)
        warn_of_weight("loss.balance", "strategy", known.strategy, all, observer);
    if (options->q_weighting)
        warn_of_weight("loss.q_weighting", "q", known.q, all, observer);
    if (options->visit_smoothing > 0)
        warn_of_weight("loss.visit_smoothing", "n", known.visits, all, observer);
    if (options->strategy_weight != 1 && !known.strategy)
        warn_of_weight("loss.strategy_weight", "strategy", 0, all, observer);
}

static void warn_of_loss(const train_run *run, const cso_run_config *config, const cso_train_observer *observer) {
    const cso_objective *objective = &run->objective;
    if (!(objective->needs & CSO_LOSS_REFERENCE) && cso_run_config_given(config, "loss.reference"))
        warn(observer, "loss.reference has no effect: loss.type = \"%s\" needs no reference", objective->loss[0]->name);
    for (size_t i = 0; !cso_objective_has_rewards(objective) && i < cso_loss_option_list.count; i++)
        if (cso_run_config_given(config, cso_loss_option_list.rows[i].name))
            warn(observer, "%s has no effect: it is for losses that compare replies, not for loss.type = \"%s\"",
                 cso_loss_option_list.rows[i].name, objective->loss[0]->name);
    warn_of_weights(run, observer);
}

static void warn_of_schedule(const train_run *run, const cso_run_config *config, const cso_train_observer *observer) {
    cso_train_length length = cso_train_measure(config, run->train.count);
    if (length.warmup_steps >= length.total_steps)
        warn(observer, "the warm-up of %zu steps takes the whole run of %zu: the learning rate stays below %g (train.%s)",
             length.warmup_steps, length.total_steps, config->train.learning_rate,
             config->train.warmup_steps < 0 ? "warmup_ratio" : "warmup_steps");
    if (config->train.warmup_steps >= 0 && cso_run_config_given(config, "train.warmup_ratio"))
        warn(observer, "train.warmup_ratio has no effect: train.warmup_steps = %lld decides",
             (long long)config->train.warmup_steps);
}

void train_warn_of_settings(const train_run *run, const cso_run_config *config, const cso_train_observer *observer) {
    if (!observer->warning)
        return;
    if (*config->data.system_prompt && !run->train.counts.esc_trees && !run->eval.counts.esc_trees)
        warn(observer, "data.system_prompt has no effect: it is put before ESC-Pro trees, and the data have none");
    const cso_data_counts *train = &run->train.counts, *eval = &run->eval.counts;
    if (*config->data.strategies && !train->esc_trees && !train->esc_pairs && !eval->esc_trees && !eval->esc_pairs)
        warn(observer, "data.strategies has no effect: replies of ESC-Pro records name strategies, and the data have none");
    warn_of_adapter(run, config, observer);
    warn_of_loss(run, config, observer);
    warn_of_schedule(run, config, observer);
    if (config->checkpoint.keep_best && !run->eval.count && cso_run_config_given(config, "checkpoint.keep_best"))
        warn(observer, "checkpoint.keep_best has no effect: there is no data.eval to tell which is the best");
    if (!config->train.early_stopping_patience && cso_run_config_given(config, "train.early_stopping_min_delta"))
        warn(observer, "train.early_stopping_min_delta has no effect: train.early_stopping_patience = 0 ends no run");
}
