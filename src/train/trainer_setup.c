/* trainer_setup.c - opening and closing a run: folder, checkpoint, caches, logs. */
#include "trainer_parts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "kernels/kernels.h"

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

cso_train_length cso_train_measure(const cso_run_config *config, size_t n_pairs) {
    cso_train_length length = {.epoch_steps = (n_pairs + config->train.batch_size - 1) / config->train.batch_size};
    double total = ceil(config->train.epochs * (double)length.epoch_steps - 1e-9); /* 0.3 * 10 is 3 steps, not 4 */
    length.total_steps = config->train.max_steps ? config->train.max_steps : total < 1 ? 1 : (size_t)total;
    if (config->train.warmup_steps >= 0)
        length.warmup_steps = (size_t)config->train.warmup_steps;
    else
        length.warmup_steps = (size_t)ceil(config->train.warmup_ratio * (double)length.total_steps - 1e-9);
    return length;
}

/* The shortest text that reads back as the same number. */
static void add_number(cso_identity *id, const char *key, double number) {
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    cso_identity_add(id, key, "%s", text);
}

/* Everything the bits of the result depend on, except what may safely change: threads, memory, frequencies, length of the
 * run. */
static void make_identity(cso_identity *id, const cso_train_job *job) {
    static const char *const shuffles[] = {"dialogue", "pair", "none"}, *const packings[] = {"tree", "pair", "none"};
    static const char *const schedules[] = {"constant", "linear", "cosine"};
    const cso_run_config *config = job->config;
    const cso_lora_options *lora = &job->adapter->options;
    char hex[33] = "base", init[33], targets[CSO_IDENTITY_VALUE] = "";
    *id = (cso_identity){0};
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        if (lora->targets[m]) {
            size_t used = strlen(targets);
            snprintf(targets + used, sizeof targets - used, "%s%s", used ? "," : "", cso_module_name((cso_module)m));
        }
    if (job->reference)
        cso_adapter_fingerprint(job->reference, hex);
    char model[33];
    cso_weights_fingerprint(job->model->weights, model);
    cso_identity_add(id, "model", "%s", model);
    cso_identity_add(id, "model.compute", "%s", config->model.compute == CSO_COMPUTE_BF16 ? "bf16" : "f32");
    cso_identity_add(id, "data.train", "%s", job->train->fingerprint);
    cso_identity_add(id, "data.eval", "%s", job->eval ? job->eval->fingerprint : "none");
    cso_identity_add(id, "data.shuffle", "%s", shuffles[config->data.shuffle]);
    cso_identity_add(id, "data.packing", "%s", packings[config->data.packing]);
    cso_identity_add(id, "lora.rank", "%zu", lora->rank);
    add_number(id, "lora.alpha", lora->alpha);
    add_number(id, "lora.dropout", lora->dropout);
    cso_identity_add(id, "lora.rslora", "%s", lora->rslora ? "true" : "false");
    cso_identity_add(id, "lora.targets", "%s", targets);
    cso_adapter_fingerprint(job->adapter, init);
    cso_identity_add(id, "lora.init", "%s", init);
    cso_identity_add(id, "loss.type", "%s", job->loss->name);
    add_number(id, "loss.beta", config->loss.beta);
    add_number(id, "loss.label_smoothing", config->loss.label_smoothing);
    cso_identity_add(id, "loss.reference", "%s", hex);
    cso_identity_add(id, "train.batch_size", "%zu", config->train.batch_size);
    add_number(id, "train.learning_rate", config->train.learning_rate);
    cso_identity_add(id, "train.schedule", "%s", schedules[config->train.schedule]);
    add_number(id, "train.warmup_ratio", config->train.warmup_ratio);
    cso_identity_add(id, "train.warmup_steps", "%lld", (long long)config->train.warmup_steps);
    add_number(id, "train.weight_decay", config->train.weight_decay);
    add_number(id, "train.betas[0]", config->train.betas[0]);
    add_number(id, "train.betas[1]", config->train.betas[1]);
    add_number(id, "train.eps", config->train.eps);
    add_number(id, "train.max_grad_norm", config->train.max_grad_norm);
    cso_identity_add(id, "train.seed", "%llu", (unsigned long long)config->train.seed);
}

/* Damaged checkpoints newer than the one that is used: the run will write those steps again, and rotation must not count them. */
static cso_status set_aside(const trainer *t, const size_t *steps, size_t count, cso_error *err) {
    for (size_t i = 0; i < count; i++) {
        CSO_TRY(cso_checkpoint_set_aside(t->job->config->checkpoint.dir, steps[i], err));
        trainer_warn(t, "checkpoint-%zu is now called checkpoint-%zu.damaged", steps[i], steps[i]);
    }
    return CSO_OK;
}

/* The newest checkpoint that is whole. A damaged one is reported and the one before it tried; one of another run is an
 * error. Nothing is touched unless one is whole. */
static cso_status resume_newest(trainer *t, const size_t *steps, size_t count, cso_error *err) {
    cso_status status = CSO_OK;
    for (size_t i = count; i-- > 0;) {
        char name[64];
        bool damaged;
        snprintf(name, sizeof name, "checkpoint-%zu", steps[i]);
        char *path = cso_path_join(t->job->config->checkpoint.dir, name);
        if (!path)
            return cso_fail_memory(err, "a path");
        status = cso_checkpoint_read(path, &t->identity, &t->adamw, &t->state, &damaged, err);
        if (status == CSO_OK) {
            trainer_note(t, "resuming from %s", path);
            status = set_aside(t, steps + i + 1, count - i - 1, err);
            damaged = false;
        }
        free(path);
        if (status != CSO_ERR_INPUT || !damaged)
            return status;
        trainer_warn(t, "%s; %s", err->message, i ? "trying the one before it" : "there is no older one");
    }
    return status;
}

static cso_status resume_from(trainer *t, const char *path, const size_t *steps, size_t count, cso_error *err) {
    bool damaged;
    CSO_TRY(cso_checkpoint_read(path, &t->identity, &t->adamw, &t->state, &damaged, err));
    if (count && steps[count - 1] > t->state.step)
        return cso_fail(err, CSO_ERR_USAGE, "%s: holds checkpoint-%zu, which is newer than %s (expected another checkpoint.dir)",
                        t->job->config->checkpoint.dir, steps[count - 1], path);
    trainer_note(t, "resuming from %s", path);
    return CSO_OK;
}

static cso_status resume(trainer *t, cso_error *err) {
    const char *dir = t->job->config->checkpoint.dir, *how = t->job->resume;
    size_t *steps, count;
    cso_status status;
    CSO_TRY(cso_checkpoint_list(dir, &steps, &count, err));
    if (!strcmp(how, "auto"))
        status = resume_newest(t, steps, count, err);
    else if (strcmp(how, "never") != 0)
        status = resume_from(t, how, steps, count, err);
    else if (count)
        status =
            cso_fail(err, CSO_ERR_USAGE, "%s: holds checkpoint-%zu already (expected --resume auto, or another checkpoint.dir)",
                     dir, steps[count - 1]);
    else
        status = CSO_OK;
    free(steps);
    t->saved_step = t->state.step;
    t->unproven = t->state.step > 0;
    return status;
}

/* What may differ from the process before: the length of the run, the kernels, the memory. */
static void take_over(trainer *t) {
    static const char *const schedules[] = {"constant", "linear", "cosine"};
    cso_train_state *s = &t->state;
    const char *kernels = cso_engine_context(t->job->engine)->kernels->name;
    size_t total = t->length.total_steps;
    if (s->total_steps && s->total_steps != total && t->job->config->train.schedule != CSO_SCHEDULE_CONSTANT)
        trainer_warn(t, "the run had %zu steps and has %zu now: its %s schedule goes on as that of %zu steps", s->total_steps,
                     total, schedules[t->job->config->train.schedule], total);
    if (*s->kernels && strcmp(s->kernels, kernels) != 0)
        trainer_warn(t, "the run was made with %s kernels and goes on with %s: it will differ in last bits", s->kernels, kernels);
    s->total_steps = total;
    snprintf(s->kernels, sizeof s->kernels, "%s", kernels);
    if (!s->max_tokens)
        s->max_tokens = cso_engine_max_tokens(t->job->engine);
}

/* A pair's value is that of the tree it was met in first, which is another one where the same data are evaluated. */
static cso_status open_cache(trainer *t, cso_reference_cache *cache, const cso_dataset *data, const char *use, cso_error *err) {
    cso_error warning;
    char model[33], reference[33] = "base";
    bool here = trainer_writes(t); /* the others get what it has read */
    char *folder = here ? cso_path_join(t->job->config->checkpoint.dir, "reference-cache") : NULL;
    if (here && !folder)
        return cso_fail_memory(err, "a path");
    cso_weights_fingerprint(t->job->model->weights, model);
    if (t->job->reference)
        cso_adapter_fingerprint(t->job->reference, reference);
    const char *const parts[] = {model, reference, data->fingerprint,
                                 t->job->config->model.compute == CSO_COMPUTE_BF16 ? "bf16" : "f32", use};
    cso_status status = cso_reference_cache_open(cache, folder, parts, sizeof parts / sizeof *parts, data->count, &warning, err);
    if (status == CSO_OK && warning.status != CSO_OK)
        trainer_warn(t, "%s", warning.message);
    free(folder);
    CSO_TRY(cso_comm_agree(t->job->comm, status, err));
    trainer_share_cache(t, cache);
    return CSO_OK;
}

static cso_status open_folder(trainer *t, cso_error *err) {
    const char *dir = t->job->config->checkpoint.dir;
    char *config = NULL, *metrics = NULL;
    cso_status status;
    size_t leftovers;
    CSO_TRY_DONE(cso_run_folder_lock(dir, &t->lock, err));
    CSO_TRY_DONE(cso_run_folder_clean(dir, &leftovers, err));
    if (leftovers)
        trainer_note(t, "%s: removed %zu unfinished files or folders of a process that was killed", dir, leftovers);
    CSO_TRY_DONE(resume(t, err));
    take_over(t);
    config = cso_path_join(dir, "config.toml");
    metrics = cso_path_join(dir, "metrics.jsonl");
    if (!config || !metrics) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    if (t->job->config_text)
        CSO_TRY_DONE(cso_save_text(config, t->job->config_text, strlen(t->job->config_text), err));
    CSO_TRY_DONE(cso_metrics_log_open(&t->metrics, metrics, t->state.step, err));
done:
    free(config);
    free(metrics);
    return status;
}

cso_status trainer_open(trainer *t, const cso_train_job *job, cso_error *err) {
    const cso_run_config *config = job->config;
    *t = (trainer){.job = job, .lock = -1, .epoch = SIZE_MAX, .length = cso_train_measure(config, job->train->count)};
    make_identity(&t->identity, job);
    cso_trainables trained = cso_adapter_trainables(job->adapter);
    CSO_TRY(cso_adamw_create(&t->adamw, &trained, config->train.betas[0], config->train.betas[1], config->train.eps,
                             config->train.weight_decay, err));
    t->grads = cso_calloc(job->adapter->n_params, sizeof *t->grads);
    t->order = cso_calloc(job->train->count, sizeof *t->order);
    t->signals = cso_calloc((size_t)cso_comm_size(job->comm), 2 * sizeof *t->signals);
    if (!t->grads || !t->order || !t->signals)
        return cso_fail_memory(err, "the gradients");
    CSO_TRY(trainer_check_ranks(t, err));
    CSO_TRY(cso_comm_agree(job->comm, trainer_writes(t) ? open_folder(t, err) : CSO_OK, err));
    trainer_share_start(t);
    CSO_TRY(open_cache(t, &t->train_cache, job->train, "train", err));
    t->train = (cso_batch_job){
        .engine = job->engine,
        .data = job->train,
        .packing = config->data.packing,
        .loss = job->loss,
        .options = {.beta = config->loss.beta, .label_smoothing = config->loss.label_smoothing},
        .reference = job->reference,
        .cache = &t->train_cache,
        .max_tokens = t->state.max_tokens,
        .comm = job->comm,
        .arena = &t->arena,
    };
    if (!cso_arena_reserve(&t->arena, job->need.arena))
        return cso_fail_memory(err, "batches");
    CSO_TRY(cso_engine_reserve(job->engine, &job->need.engine, err));
    if (job->eval) {
        CSO_TRY(open_cache(t, &t->eval_cache, job->eval, "eval", err));
        t->eval = t->train;
        t->eval.data = job->eval;
        t->eval.cache = &t->eval_cache;
    }
    return CSO_OK;
}

void trainer_close(trainer *t) {
    cso_adamw_free(&t->adamw);
    cso_reference_cache_free(&t->train_cache);
    cso_reference_cache_free(&t->eval_cache);
    cso_metrics_log_close(&t->metrics);
    cso_arena_free(&t->arena);
    free(t->grads);
    free(t->order);
    free(t->signals);
    if (t->lock >= 0)
        close(t->lock);
}

static void warn_if_failed(const trainer *t, cso_status status, const cso_error *err) {
    if (status != CSO_OK)
        trainer_warn(t, "%s", err->message);
}

static cso_status rotate(const trainer *t, size_t keep, cso_error *err) {
    const cso_run_config *config = t->job->config;
    bool keep_best = config->checkpoint.keep_best && t->state.has_best;
    return cso_checkpoint_rotate(config->checkpoint.dir, t->saved_step, keep, keep_best ? t->state.best_step : 0, err);
}

static cso_status write_checkpoint(trainer *t, bool proven, cso_error *err) {
    const cso_run_config *config = t->job->config;
    double began = cso_clock();
    CSO_TRY(trainer_check_state(t, err));
    CSO_TRY(cso_metrics_log_sync(&t->metrics, err)); /* a checkpoint's past has all its lines, even after a power cut */
    warn_if_failed(t, cso_reference_cache_save(&t->train_cache, err), err); /* can be computed again */
    warn_if_failed(t, cso_reference_cache_save(&t->eval_cache, err), err);
    CSO_TRY(cso_checkpoint_write(config->checkpoint.dir, &t->state, &t->identity, t->job->adapter, &t->adamw, NULL, err));
    trainer_note(t, "checkpoint-%zu saved in %.3f s", t->state.step, cso_clock() - began);
    t->saved_step = t->state.step;
    size_t keep = config->checkpoint.keep_last;
    if (proven || !t->state.skipped_in_row) /* a checkpoint within a row of skipped steps may be as bad as the one before */
        warn_if_failed(t, rotate(t, proven || keep > 2 ? keep : 2, err), err);
    return CSO_OK;
}

cso_status trainer_save(trainer *t, bool proven, cso_error *err) {
    if (t->saved_step == t->state.step)
        return CSO_OK;
    CSO_TRY(trainer_check_equal(t, err));
    CSO_TRY(cso_comm_agree(t->job->comm, trainer_writes(t) ? write_checkpoint(t, proven, err) : CSO_OK, err));
    t->saved_step = t->state.step;
    t->unproven = !proven;
    return CSO_OK;
}

void trainer_proven(trainer *t) {
    cso_error err;
    if (trainer_writes(t) && t->unproven && t->job->config->checkpoint.keep_last < 2)
        warn_if_failed(t, rotate(t, 1, &err), &err);
    t->unproven = false;
}
