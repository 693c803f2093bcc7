/* train_open.c - see train_open.h. */
#include "train_open.h"

#include "base/file.h"
#include "base/hub.h"
#include "config/config.h"
#include "model/base_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROMPT_BYTES = 1 << 20 };

/* One of loss.type and loss.types. */
static cso_status check_losses(const cso_run_config *config, cso_objective *objective, cso_error *err) {
    if (config->loss.types.count && cso_run_config_given(config, "loss.type"))
        return cso_fail(err, CSO_ERR_USAGE, "loss.types: loss.type is given as well (expected one of the two)");
    return cso_run_objective(config, objective, err);
}

/* What depends on the evaluation loss must get one. */
static cso_status check_evaluation(const cso_run_config *config, cso_error *err) {
    bool eval = config->data.eval.count > 0;
    if (config->log.eval_every_steps && !eval)
        return cso_fail(err, CSO_ERR_USAGE, "%s: log.eval_every_steps: there is no data.eval to evaluate", config->path);
    if (config->train.early_stopping_patience && !config->log.eval_every_steps)
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s: train.early_stopping_patience: nothing is evaluated during the run (expected data.eval and "
                        "log.eval_every_steps)",
                        config->path);
    if (config->checkpoint.restore_best && (!eval || !config->checkpoint.keep_best))
        return cso_fail(err, CSO_ERR_USAGE, "%s: checkpoint.restore_best: no best checkpoint is kept (expected data.eval and %s)",
                        config->path, "checkpoint.keep_best = true");
    return CSO_OK;
}

/* What can be told from the configuration alone comes first: a run must not fail on a typing error after loading a model. */
static cso_status check_config(const cso_run_config *config, cso_objective *objective, cso_error *err) {
    if (!config->lora.present)
        return cso_fail(err, CSO_ERR_USAGE, "%s: there is no [lora] table; training all weights is not in this version",
                        config->path);
    cso_status status = check_losses(config, objective, err);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "%s", config->path);
    const char *name = config->model.base_name;
    if (*name && *name != '/' && !cso_is_hub_id(name))
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s: model.base_name: \"%.96s\" is no hub id (expected OWNER/NAME, or an absolute path)", config->path,
                        name);
    return check_evaluation(config, err);
}

static void tell_stage(const cso_train_observer *observer, cso_train_stage stage, size_t done) {
    if (observer->stage)
        observer->stage(observer->context, stage, done, 0);
}

/* How data are read, and who is told of the records. */
typedef struct reading {
    const cso_run_config *config;
    const cso_train_observer *observer;
    cso_train_stage stage;
    const char *system_prompt;
} reading;

static void on_record(void *context, size_t records) {
    const reading *r = context;
    tell_stage(r->observer, r->stage, records);
}

static cso_status read_data(cso_dataset *data, const train_run *run, const cso_strings *paths, reading *r, cso_error *err) {
    const cso_objective *objective = &run->objective;
    const cso_run_config *config = r->config;
    tell_stage(r->observer, r->stage, 0);
    const cso_data_options options = {
        .kind = objective->takes,
        .end_token = objective->needs & CSO_LOSS_END_TOKEN,
        .max_length = config->data.max_length,
        .truncation = config->data.truncation,
        .parse_special = config->data.parse_special,
        .strategies = run->strategies,
        .system_prompt = r->system_prompt,
        .record_read = on_record,
        .context = r,
    };
    return cso_dataset_read(data, (const char *const *)paths->items, paths->count, run->base.tokenizer, run->base.chat, &options,
                            err);
}

static cso_status read_all_data(train_run *run, const cso_run_config *config, const cso_train_observer *observer, cso_error *err) {
    char *prompt = NULL;
    size_t size;
    cso_status status = CSO_OK;
    if (config->data.system_prompt && *config->data.system_prompt)
        CSO_TRY_DONE(cso_read_file(config->data.system_prompt, MAX_PROMPT_BYTES, &prompt, &size, err));
    reading r = {config, observer, CSO_STAGE_DATA, prompt};
    CSO_TRY_DONE(read_data(&run->train, run, &config->data.train, &r, err));
    r.stage = CSO_STAGE_EVAL_DATA;
    if (config->data.eval.count)
        CSO_TRY_DONE(read_data(&run->eval, run, &config->data.eval, &r, err));
done:
    free(prompt);
    return status;
}

static bool is_target(const cso_strings *targets, const char *name) {
    for (size_t i = 0; i < targets->count; i++)
        if (!strcmp(targets->items[i], name) || !strcmp(targets->items[i], "all-linear"))
            return true;
    return false;
}

/* model.base_name, else what the model's files tell, else, of an adapter to go on from, what it tells, else the model's path. */
static cso_status name_base(train_run *run, const cso_run_config *config, cso_error *err) {
    cso_adapter *adapter = run->adapter;
    char *name;
    if (*config->model.base_name)
        return cso_adapter_set_base(adapter, config->model.base_name, err);
    CSO_TRY(cso_model_base_name(run->base.model, &name, err));
    cso_status status = CSO_OK;
    if (cso_is_hub_id(name) || !cso_is_hub_id(adapter->base))
        status = cso_adapter_set_base(adapter, name, err);
    free(name);
    return status;
}

/* The adapter in a folder; in a plan, another of its shape where an earlier stage has not made it yet. */
static cso_status read_adapter(cso_adapter **adapter, train_run *run, const char *folder, const train_stand_ins *stand_ins,
                               cso_error *err) {
    for (size_t i = 0; stand_ins && i < stand_ins->count; i++)
        if (!strcmp(stand_ins->folders[i], folder) && !cso_path_exists(folder)) {
            run->stands_in = true;
            return cso_adapter_copy(adapter, stand_ins->adapters[i], err);
        }
    return opened_model_adapter(adapter, &run->base, folder, err);
}

static cso_status open_adapters(train_run *run, const cso_run_config *config, const train_stand_ins *stand_ins, cso_error *err) {
    if (!strcmp(config->lora.init, "default")) {
        cso_lora_options options = {.rank = config->lora.rank, .alpha = config->lora.alpha, .rslora = config->lora.rslora};
        for (int m = 0; m < CSO_MODULE_COUNT; m++)
            options.targets[m] = is_target(&config->lora.targets, cso_module_name((cso_module)m));
        CSO_TRY(cso_adapter_create(&run->adapter, run->base.model, &options, config->train.seed, err));
    } else {
        CSO_TRY(read_adapter(&run->adapter, run, config->lora.init, stand_ins, err));
    }
    run->adapter->options.dropout = config->lora.dropout;
    CSO_TRY(name_base(run, config, err));
    if (!strcmp(config->loss.reference, "base"))
        return CSO_OK;
    if (!strcmp(config->loss.reference, "initial"))
        return cso_adapter_copy(&run->reference, run->adapter, err);
    return read_adapter(&run->reference, run, config->loss.reference, stand_ins, err);
}

cso_status train_open(train_run *run, cso_context *ctx, const cso_run_config *config, int local_size,
                      const cso_train_observer *observer, const train_stand_ins *stand_ins, cso_error *err) {
    cso_status status;
    *run = (train_run){0};
    CSO_TRY_DONE(check_config(config, &run->objective, err));
    if (*config->data.strategies)
        CSO_TRY_DONE(cso_strategies_read(&run->strategies, config->data.strategies, err));
    tell_stage(observer, CSO_STAGE_MODEL, 0);
    CSO_TRY_DONE(open_model(&run->base, config->model.path, config->model.tokenizer, config->model.chat_template, err));
    CSO_TRY_DONE(read_all_data(run, config, observer, err));
    CSO_TRY_DONE(open_adapters(run, config, stand_ins, err));
    run->memory = memory_budget(&run->base, config->train.memory_gib);
    if (config->train.memory_gib == 0)
        run->memory /= (size_t)local_size;
    CSO_TRY_DONE(cso_engine_create(&run->engine, ctx, run->base.model, config->model.compute, run->memory, err));
done:
    if (status != CSO_OK)
        train_close(run);
    return status;
}

void train_close(train_run *run) {
    cso_engine_free(run->engine);
    cso_adapter_free(run->reference);
    cso_adapter_free(run->adapter);
    cso_dataset_free(&run->eval);
    cso_dataset_free(&run->train);
    cso_strategies_free(run->strategies);
    close_model(&run->base);
    *run = (train_run){0};
}

cso_train_job train_job(const train_run *run, const cso_run_config *config) {
    return (cso_train_job){
        .config = config,
        .model = run->base.model,
        .engine = run->engine,
        .objective = &run->objective,
        .train = &run->train,
        .eval = run->eval.count ? &run->eval : NULL,
        .adapter = run->adapter,
        .reference = run->reference,
    };
}
