/* lm_train.c - training from a configuration file. */
#include "api.h"

#include "config/config.h"
#include "train/run_check.h"
#include "train/train_plan.h"
#include "train_open.h"
#include "train_stages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A step's metrics under the names of metrics.jsonl. */
typedef struct metric_list {
    cso_lm_metric items[2 * CSO_MAX_METRICS];
    char eval_names[CSO_MAX_METRICS][CSO_OBJECTIVE_METRIC + 32];
    size_t count;
} metric_list;

static void fill_metrics(metric_list *list, const cso_step_report *report) {
    const char *const *names = report->metric_names;
    for (size_t i = 0; !report->skipped && names[i]; i++)
        if (!isnan(report->metrics[i]))
            list->items[list->count++] = (cso_lm_metric){names[i], report->metrics[i]};
    for (size_t i = 0; report->evaluated && names[i]; i++) {
        if (isnan(report->eval_metrics[i]))
            continue;
        snprintf(list->eval_names[i], sizeof list->eval_names[i], "eval_%s", names[i]);
        list->items[list->count++] = (cso_lm_metric){list->eval_names[i], report->eval_metrics[i]};
    }
}

/* What the observer of a run knows; config NULL: of what concerns all stages. */
typedef struct train_call {
    const cso_lm_train_options *options;
    const cso_run_config *config;
} train_call;

static void on_step(void *context, const cso_step_report *report) {
    const train_call *call = context;
    const cso_lm_train_options *options = call->options;
    metric_list metrics = {.count = 0};
    fill_metrics(&metrics, report);
    const cso_lm_step step = {
        .step = report->step,
        .total_steps = report->total_steps,
        .epoch = report->epoch,
        .loss = report->metrics[0],
        .learning_rate = report->learning_rate,
        .grad_norm = report->grad_norm,
        .tokens = report->tokens,
        .seconds = report->seconds,
        .seconds_left = report->seconds_left,
        .skipped = report->skipped,
        .reason = report->skipped ? report->reason : "",
        .metrics = metrics.items,
        .n_metrics = metrics.count,
        .stage = call->config->stage.name ? call->config->stage.name : "",
        .stage_number = call->config->stage.number,
        .n_stages = call->config->stage.count,
    };
    options->step(options->context, &step);
}

/* With the name of the stage before it. */
static void tell(const train_call *call, void (*hear)(void *context, const char *text), const char *text) {
    char line[1400];
    if (call->config && call->config->stage.name)
        snprintf(line, sizeof line, "stage %s: %s", call->config->stage.name, text);
    else
        snprintf(line, sizeof line, "%s", text);
    hear(call->options->context, line);
}

static void on_note(void *context, const char *text) {
    const train_call *call = context;
    tell(call, call->options->note, text);
}

static void on_warning(void *context, const char *text) {
    const train_call *call = context;
    tell(call, call->options->warning, text);
}

static bool should_stop(void *context) {
    const train_call *call = context;
    return call->options->should_stop(call->options->context);
}

static cso_train_observer make_observer(train_call *call) {
    const cso_lm_train_options *options = call->options;
    return (cso_train_observer){
        .context = call,
        .step = options->step ? on_step : NULL,
        .note = options->note ? on_note : NULL,
        .warning = options->warning ? on_warning : NULL,
        .should_stop = options->should_stop ? should_stop : NULL,
    };
}

static cso_status run_config(void *context, const cso_run_config *config, cso_error *err) {
    const cso_lm_train_options *options = context;
    train_call call = {options, config};
    train_run run = {0};
    cso_context *ctx = NULL;
    cso_train_plan plan;
    const cso_train_observer observer = make_observer(&call);
    char *text = NULL;
    cso_status status;
    CSO_TRY_DONE(cso_context_create(&ctx, (int)config->train.threads, err));
    CSO_TRY_DONE(train_open(&run, ctx, config, 1, &observer, NULL, err));
    cso_train_job job = train_job(&run, config);
    job.resume = options->resume ? options->resume : "auto";
    job.observer = observer;
    train_warn_of_data(&run, &job.observer);
    train_warn_of_settings(&run, config, &job.observer);
    CSO_TRY_DONE(cso_run_find_start(&job, false, &job.start, err)); /* the run itself warns */
    CSO_TRY_DONE(cso_train_plan_make(&plan, &job, err));
    job.need = plan.need;
    job.plan = &plan;
    CSO_TRY_DONE(cso_run_config_print(config, &text, err));
    job.config_text = text;
    status = cso_train(&job, err);
done:
    free(text);
    train_close(&run);
    cso_context_free(ctx);
    return status;
}

static cso_status run_configs(const cso_run_configs *configs, const cso_lm_train_options *options, cso_error *err) {
    train_call call = {options, NULL};
    const cso_train_observer observer = make_observer(&call);
    const char *resume = options->resume;
    const train_stages stages = {.configs = configs, .observer = &observer, .run = run_config, .context = (void *)options};
    if (configs->dir && resume && strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0)
        return cso_fail(err, CSO_ERR_USAGE,
                        "resume: \"%s\" is one checkpoint, and the configuration has %zu stages (expected auto)", resume,
                        configs->count);
    return train_stages_run(&stages, err);
}

cso_lm_status cso_lm_train(const char *path, const cso_lm_train_options *options, cso_lm_error *error) {
    static const cso_lm_train_options none;
    cso_error err = {0};
    cso_run_configs configs = {0};
    options = options ? options : &none;
    cso_status status = api_require(path, "path", &err);
    if (status != CSO_OK)
        return api_result(status, &err, error);
    status = cso_run_configs_read(&configs, path, options->overrides, options->n_overrides, &err);
    if (status == CSO_OK)
        status = run_configs(&configs, options, &err);
    cso_run_configs_free(&configs);
    return api_result(status, &err, error);
}
