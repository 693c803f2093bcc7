/* trainer_open.c - opening and closing a run: its folder, memory, caches and logs; and what it tells its observer. */
#include "trainer_parts.h"

#include "base/text.h"
#include "example_weights.h"

#include "base/file.h"
#include "base/memory.h"
#include "run_checksums.h"
#include "run_identity.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(void (*hear)(void *, const char *), void *context, const char *format, va_list arguments) {
    char text[1200];
    vsnprintf(text, sizeof text, format, arguments);
    if (hear)
        hear(context, text);
}

void trainer_note(const trainer *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    tell(t->job->observer.note, t->job->observer.context, format, arguments);
    va_end(arguments);
}

void trainer_warn(const trainer *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    tell(t->job->observer.warning, t->job->observer.context, format, arguments);
    va_end(arguments);
}

cso_train_length cso_train_measure(const cso_run_config *config, size_t n_examples) {
    cso_train_length length = {.epoch_steps = (n_examples + config->train.batch_size - 1) / config->train.batch_size};
    double total = ceil(config->train.epochs * (double)length.epoch_steps - 1e-9); /* 0.3 * 10 is 3 steps, not 4 */
    length.total_steps = config->train.max_steps ? config->train.max_steps : total < 1 ? 1 : (size_t)total;
    if (config->train.warmup_steps >= 0)
        length.warmup_steps = (size_t)config->train.warmup_steps;
    else
        length.warmup_steps = (size_t)ceil(config->train.warmup_ratio * (double)length.total_steps - 1e-9);
    return length;
}

/* The use, "train" or "eval", is part of the cache's key, because an example's values come from the tree it was computed in first:
 * their last bits differ where the same data are evaluated. */
static cso_status read_cache(const cso_train_job *job, bool training, bool on_disk, cso_reference_cache *cache, cso_error *warning,
                             cso_error *err) {
    const cso_dataset *data = training ? job->train : job->eval;
    char model[33], reference[33] = "base";
    char *folder = on_disk ? cso_path_join(job->config->checkpoint.dir, "reference-cache") : NULL;
    if (on_disk && !folder)
        return cso_fail_memory(err, "a path");
    cso_weights_fingerprint(job->model->weights, model);
    if (job->reference)
        cso_adapter_fingerprint(job->reference, reference);
    char weights[2 * CSO_NUMBER_TEXT +
                 1]; /* what tokens count; left out where all count the same, as before there were such weights */
    const cso_loss_options *options = &job->objective->options;
    const char *const parts[] = {
        model, reference, data->fingerprint, cso_compute_words[job->config->model.compute], training ? "train" : "eval", weights};
    size_t n_parts = sizeof parts / sizeof *parts - !job->objective->token_weights;
    snprintf(weights, sizeof weights, "%.15g %.15g", options->ld_alpha, options->strategy_weight);
    cso_status status = cso_reference_cache_open(cache, folder, parts, n_parts, data, warning, err);
    free(folder);
    return status;
}

cso_status trainer_read_cache(const cso_train_job *job, bool training, cso_reference_cache *cache, cso_error *warning,
                              cso_error *err) {
    return read_cache(job, training, true, cache, warning, err);
}

static cso_status open_cache(trainer *t, cso_reference_cache *cache, bool training, cso_error *err) {
    cso_error warning = {0};
    /* The other processes get what this one has read. */
    cso_status status = read_cache(t->job, training, trainer_writes(t), cache, &warning, err);
    if (status == CSO_OK && warning.status != CSO_OK)
        trainer_warn(t, "%s", warning.message);
    CSO_TRY(cso_comm_agree(t->job->comm, status, err));
    trainer_share_cache(t, cache);
    return CSO_OK;
}

static void clean_folder(const trainer *t, const char *dir) {
    size_t leftovers;
    cso_error err;
    if (cso_run_folder_clean(dir, &leftovers, &err) != CSO_OK)
        trainer_warn(t, "%s; an unfinished file or folder of a process that was killed stays", err.message);
    if (leftovers)
        trainer_note(t, "%s: removed %zu unfinished files or folders of a process that was killed", dir, leftovers);
}

static cso_status open_folder(trainer *t, cso_error *err) {
    const char *dir = t->job->config->checkpoint.dir;
    CSO_TRY(cso_run_folder_lock(dir, &t->lock, err));
    CSO_TRY(cso_run_folder_hold(dir, &t->folder, err));
    clean_folder(t, dir);
    CSO_TRY(trainer_resume(t, err));
    trainer_take_over(t);
    CSO_TRY(cso_run_config_save(dir, t->job->config_text, t->config_checksum, err));
    char *metrics = cso_path_join(dir, "metrics.jsonl");
    cso_status status = metrics ? cso_metrics_log_open(&t->metrics, metrics, t->state.step, err) : cso_fail_memory(err, "a path");
    free(metrics);
    return status == CSO_OK ? trainer_write_checksums(t, err) : status;
}

/* What all batches of the run have in common; evaluation differs in the data and their cache. */
static cso_batch_job batch_job(trainer *t, const cso_dataset *data, cso_reference_cache *cache) {
    const cso_train_job *job = t->job;
    return (cso_batch_job){
        .engine = job->engine,
        .data = data,
        .packing = job->config->data.packing,
        .objective = job->objective,
        .weights = t->weights[data != job->train],
        .metrics = &t->table,
        .reference = job->reference,
        .cache = cache,
        .max_tokens = t->state.max_tokens,
        .pace = &t->pace,
        .comm = job->comm,
        .arena = &t->arena,
    };
}

/* Memory of the run, its size known from the adapter, the data and the plan. */
static cso_status reserve(trainer *t, cso_error *err) {
    const cso_train_job *job = t->job;
    const cso_run_config *config = job->config;
    cso_trainables trained = cso_adapter_trainables(job->adapter);
    CSO_TRY(cso_adamw_create(&t->adamw, &trained, config->train.betas[0], config->train.betas[1], config->train.eps,
                             config->train.weight_decay, err));
    t->grads = cso_calloc(job->adapter->n_params, sizeof *t->grads);
    t->order = cso_calloc(job->train->count, sizeof *t->order);
    t->signals = cso_calloc((size_t)cso_comm_size(job->comm), 2 * sizeof *t->signals);
    if (!t->grads || !t->order || !t->signals)
        return cso_fail_memory(err, "the gradients");
    return CSO_OK;
}

static cso_status weigh_examples(trainer *t, cso_error *err) {
    const cso_train_job *job = t->job;
    CSO_TRY(cso_example_weights(job->objective, job->train, &t->weights[0], err));
    return job->eval ? cso_example_weights(job->objective, job->eval, &t->weights[1], err) : CSO_OK;
}

/* Reference caches, where the loss needs a reference, and batches of the training data and, where there are any, of the evaluation
 * data. */
static cso_status open_data(trainer *t, cso_error *err) {
    const cso_train_job *job = t->job;
    bool reference = (job->objective->needs & CSO_LOSS_REFERENCE) != 0;
    cso_metric_table_make(&t->table, job->objective, job->train, job->eval);
    CSO_TRY(weigh_examples(t, err));
    if (reference)
        CSO_TRY(open_cache(t, &t->train_cache, true, err));
    t->train = batch_job(t, job->train, reference ? &t->train_cache : NULL);
    if (!cso_arena_reserve(&t->arena, job->need.arena))
        return cso_fail_memory(err, "batches");
    CSO_TRY(cso_engine_reserve(job->engine, &job->need.engine, err));
    if (job->eval) {
        if (reference)
            CSO_TRY(open_cache(t, &t->eval_cache, false, err));
        t->eval = batch_job(t, job->eval, reference ? &t->eval_cache : NULL);
    }
    return CSO_OK;
}

void trainer_init(trainer *t, const cso_train_job *job) {
    *t = (trainer){
        .job = job, .lock = -1, .folder = -1, .epoch = SIZE_MAX, .length = cso_train_measure(job->config, job->train->count)};
}

cso_status trainer_open(trainer *t, const cso_train_job *job, cso_error *err) {
    trainer_init(t, job);
    CSO_TRY(run_identity_make(&t->identity, job, err));
    CSO_TRY(reserve(t, err));
    CSO_TRY(trainer_check_ranks(t, err));
    CSO_TRY(cso_comm_agree(job->comm, trainer_writes(t) ? open_folder(t, err) : CSO_OK, err));
    trainer_share_start(t);
    CSO_TRY(open_data(t, err));
    cso_engine_listen(job->engine, (cso_engine_listener){cso_pace_part, &t->pace});
    return CSO_OK;
}

void trainer_close(trainer *t) {
    cso_engine_listen(t->job->engine, (cso_engine_listener){0});
    cso_adamw_free(&t->adamw);
    cso_reference_cache_free(&t->train_cache);
    cso_reference_cache_free(&t->eval_cache);
    cso_metrics_log_close(&t->metrics);
    cso_arena_free(&t->arena);
    free(t->weights[0]);
    free(t->weights[1]);
    free(t->grads);
    free(t->order);
    free(t->signals);
    cso_log_history_free(&t->history);
    if (t->lock >= 0)
        close(t->lock);
    if (t->folder >= 0)
        close(t->folder);
}
