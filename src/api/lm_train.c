/* lm_train.c - training from a configuration file. */
#include "api.h"

#include "config/config.h"
#include "train/train_plan.h"
#include "train_open.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEANS = 7 };

/* The names that metrics.jsonl gives the means, as fill_means puts them. */
static const char *const NAMES[2][MEANS] = {
    {"loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"},
    {"eval_loss", "eval_rewards/chosen", "eval_rewards/rejected", "eval_rewards/accuracies", "eval_rewards/margins",
     "eval_logps/chosen", "eval_logps/rejected"},
};

static size_t fill_means(cso_lm_metric metrics[MEANS], const char *const names[MEANS], const cso_pair_means *mean) {
    const double values[MEANS] = {mean->loss,   mean->rewards[0], mean->rewards[1], mean->accuracy,
                                  mean->margin, mean->logps[0],   mean->logps[1]};
    for (size_t i = 0; i < MEANS; i++)
        metrics[i] = (cso_lm_metric){names[i], values[i]};
    return MEANS;
}

static void on_step(void *context, const cso_step_report *report) {
    const cso_lm_train_options *options = context;
    cso_lm_metric metrics[2 * MEANS];
    size_t n = report->skipped ? 0 : fill_means(metrics, NAMES[0], &report->mean);
    if (report->evaluated)
        n += fill_means(metrics + n, NAMES[1], &report->eval);
    const cso_lm_step step = {
        .step = report->step,
        .total_steps = report->total_steps,
        .epoch = report->epoch,
        .loss = report->mean.loss,
        .learning_rate = report->learning_rate,
        .grad_norm = report->grad_norm,
        .tokens = report->tokens,
        .seconds = report->seconds,
        .seconds_left = report->seconds_left,
        .skipped = report->skipped,
        .reason = report->skipped ? report->reason : "",
        .metrics = metrics,
        .n_metrics = n,
    };
    options->step(options->context, &step);
}

static void on_note(void *context, const char *text) {
    const cso_lm_train_options *options = context;
    options->note(options->context, text);
}

static void on_warning(void *context, const char *text) {
    const cso_lm_train_options *options = context;
    options->warning(options->context, text);
}

static bool should_stop(void *context) {
    const cso_lm_train_options *options = context;
    return options->should_stop(options->context);
}

static cso_train_observer make_observer(const cso_lm_train_options *options) {
    return (cso_train_observer){
        .context = (void *)options,
        .step = options->step ? on_step : NULL,
        .note = options->note ? on_note : NULL,
        .warning = options->warning ? on_warning : NULL,
        .should_stop = options->should_stop ? should_stop : NULL,
    };
}

static cso_status run_config(const cso_run_config *config, const cso_lm_train_options *options, cso_error *err) {
    train_run run = {0};
    cso_context *ctx = NULL;
    cso_train_plan plan;
    char *text = NULL;
    cso_status status;
    CSO_TRY_DONE(cso_context_create(&ctx, (int)config->train.threads, err));
    CSO_TRY_DONE(train_open(&run, ctx, config, 1, err));
    cso_train_job job = train_job(&run, config);
    job.resume = options->resume ? options->resume : "auto";
    job.observer = make_observer(options);
    train_warn_of_data(&run, &job.observer);
    CSO_TRY_DONE(cso_train_plan_make(&plan, &job, err));
    job.need = plan.need;
    CSO_TRY_DONE(cso_run_config_print(config, &text, err));
    job.config_text = text;
    status = cso_train(&job, err);
done:
    free(text);
    train_close(&run);
    cso_context_free(ctx);
    return status;
}

cso_lm_status cso_lm_train(const char *path, const cso_lm_train_options *options, cso_lm_error *error) {
    static const cso_lm_train_options none;
    cso_error err = {0};
    cso_run_config config;
    options = options ? options : &none;
    cso_status status = api_require(path, "path", &err);
    if (status != CSO_OK)
        return api_result(status, &err, error);
    status = cso_run_config_read(&config, path, options->overrides, options->n_overrides, &err);
    if (status == CSO_OK)
        status = run_config(&config, options, &err);
    cso_run_config_free(&config);
    return api_result(status, &err, error);
}
