/* trainer.c - the loop: one optimizer step (trainer_step.c) after the other, and what is due after each: evaluation, metrics,
 * checkpoints, stopping.
 */
#include "trainer_parts.h"

#include "adapter_folder.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/signals.h"
#include "checksums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool evaluates_after(const trainer *t, size_t step) {
    size_t every = t->job->config->log.eval_every_steps;
    return t->job->eval && ((every && step % every == 0) || step == t->length.total_steps);
}

/* Tells where the run stands; step: that comes now, 0: none. */
static void tell_standing(const trainer *t, size_t step) {
    cso_train_standing now = {.step = step, .done = t->state.step, .saved = t->saved_step};
    double seconds = step ? cso_pace_next_step(&t->pace) : 0;
    now.seconds = seconds > 0 ? seconds : 0;
    if (t->job->observer.standing)
        t->job->observer.standing(t->job->observer.context, &now);
}

/* Evaluates where it is time to; *best tells whether no evaluation before was as good. */
static cso_status evaluate(trainer *t, cso_step_report *report, bool *best, cso_error *err) {
    const cso_run_config *config = t->job->config;
    *best = false;
    if (!evaluates_after(t, report->step))
        return CSO_OK;
    cso_batch_result result;
    double began = cso_clock();
    cso_pace_begin(&t->pace, true);
    cso_status status = cso_evaluate(&t->eval, t->job->adapter, config->train.batch_size, &result, err);
    cso_pace_end(&t->pace);
    if (status == CSO_ERR_NUMERIC) { /* it decides nothing but which checkpoint is the best */
        trainer_warn(t, "step %zu: no evaluation: %s", report->step, err->message);
        return CSO_OK;
    }
    CSO_TRY(status);
    report->evaluated = true;
    memcpy(report->eval_metrics, result.metrics, sizeof report->eval_metrics);
    report->eval_seconds = cso_clock() - began;
    *best = trainer_rate(t, result.metrics[0], report->step);
    return CSO_OK;
}

/* A folder that was moved away is an error at once: a second one must not come about under its name. */
static cso_status check_folder(const trainer *t, cso_error *err) {
    return trainer_writes(t) ? cso_run_folder_check(t->job->config->checkpoint.dir, t->folder, err) : CSO_OK;
}

static cso_status write_adapter(trainer *t, cso_error *err) {
    cso_adapter_origin origin = {.step = t->state.step, .steps = t->state.step};
    char *folder = cso_path_join(t->job->config->checkpoint.dir, "adapter"), *temporary = NULL;
    cso_error warning;
    cso_status status;
    if (!folder)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(check_folder(t, err));
    if (t->job->config->checkpoint.restore_best)
        CSO_TRY_DONE(trainer_restore_best(t, &origin.step, err));
    origin.metrics = t->metrics.path;
    CSO_TRY_DONE(cso_folder_begin(folder, &temporary, err));
    CSO_TRY_DONE(cso_adapter_folder_write(t->job, &origin, temporary, err));
    CSO_TRY_DONE(cso_checksums_write(temporary, err)); /* the last file: it covers all others */
    status = cso_folder_commit(folder, temporary, err);
    temporary = NULL;
    CSO_TRY_DONE(status);
    trainer_note(t, "adapter written to %s", folder);
    if (trainer_write_checksums(t, &warning) != CSO_OK) /* the adapter has its own */
        trainer_warn(t, "%s", warning.message);
done:
    if (temporary)
        cso_folder_abort(temporary);
    free(folder);
    return status;
}

/* The identity has the fingerprint of the adapter that the run began with. */
static bool adapter_is_untrained(const trainer *t) {
    char now[33];
    cso_adapter_fingerprint(t->job->adapter, now);
    for (size_t i = 0; i < t->identity.count; i++)
        if (!strcmp(t->identity.items[i].key, "lora.init"))
            return !strcmp(t->identity.items[i].value, now);
    return false;
}

/* A full disk must not end a run: lines that cannot be written wait for the next step's. */
static cso_status write_metrics(trainer *t, const cso_step_report *report, cso_error *err) {
    if (!trainer_writes(t))
        return CSO_OK;
    CSO_TRY(check_folder(t, err));
    CSO_TRY(cso_log_history_add(&t->history, report, cso_log_history_every(t->length.total_steps), err));
    cso_status status = cso_metrics_log_write(&t->metrics, report, err);
    if (status != CSO_OK && !t->metrics.behind)
        return status;
    if (t->metrics.behind && !t->metrics_behind)
        trainer_warn(t, "%s; the lines of the metrics wait until they can be written", err->message);
    t->metrics_behind = t->metrics.behind;
    return CSO_OK;
}

/* Tells of a skipped step; too many in a row are an error. */
static cso_status account_skipped(const trainer *t, const cso_step_report *report, cso_error *err) {
    size_t row = t->state.skipped_in_row;
    trainer_warn(t, "step %zu is skipped: %s", report->step, report->reason);
    if (row < t->job->config->train.max_skipped)
        return CSO_OK;
    char saved[64] = "no checkpoint has been saved";
    if (t->saved_step)
        snprintf(saved, sizeof saved, "the last checkpoint is that of step %zu", t->saved_step);
    return cso_fail(err, CSO_ERR_NUMERIC, "step %zu: %s; %zu skipped in a row (train.max_skipped), %s", report->step,
                    report->reason, row, saved);
}

/* Saves where it is time to. What fails for want of disk or memory is tried again when the next checkpoint is due, unless
 * this is the last chance. */
static cso_status save(trainer *t, const cso_step_report *report, const cso_train_state *before, bool best, bool asked, bool must,
                       cso_error *err) {
    size_t every = t->job->config->checkpoint.every_steps;
    t->save_due |= every && report->step % every == 0;
    bool keep = best && t->job->config->checkpoint.keep_best;
    if (!must && !asked && !keep && (!t->save_due || report->skipped)) /* what is due waits for a step that is not skipped */
        return CSO_OK;
    t->save_due = false;
    CSO_TRY(check_folder(t, err));
    cso_status status = trainer_save(t, report->evaluated, err);
    if (status != CSO_ERR_SYSTEM || must)
        return status;
    trainer_warn(t, "%s; there is no checkpoint of step %zu, the run goes on", err->message, report->step);
    if (best) { /* the best is to be one that is there */
        t->state.has_best = before->has_best;
        t->state.best_metric = before->best_metric;
        t->state.best_step = before->best_step;
    }
    return CSO_OK;
}

static cso_status fail_stopped(const trainer *t, int signal, cso_error *err) {
    char by[32] = "on request";
    if (signal != TRAINER_STOP_ASKED)
        snprintf(by, sizeof by, "by signal %d", signal);
    return cso_fail(err, CSO_STOPPED, "stopped %s after step %zu of %zu; checkpoint-%zu is saved in %s", by, t->state.step,
                    t->length.total_steps, t->state.step, t->job->config->checkpoint.dir);
}

/* The end of a run. What no step has changed is no result: a success if that was asked for (a learning rate of 0), a failure if the
 * steps were skipped. */
static cso_status finish(trainer *t, cso_error *err) {
    bool untrained = adapter_is_untrained(t);
    if (untrained && t->state.skipped && t->job->config->train.learning_rate > 0)
        return cso_fail(err, CSO_ERR_NUMERIC,
                        "no step has changed the adapter: %zu of %zu were skipped, as their loss, gradient or update was no finite "
                        "number (metrics.jsonl has the reasons); no adapter is written",
                        t->state.skipped, t->state.step);
    if (untrained)
        trainer_warn(t,
                     "the adapter is as it was at the start: no step of the run changed it (is train.learning_rate 0, or the run "
                     "shorter than its warm-up?)");
    return trainer_writes(t) ? write_adapter(t, err) : CSO_OK;
}

/* Of a run that is complete before its first step. */
static void tell_complete(trainer *t) {
    trainer_note(t, "the run is complete: step %zu of %zu%s", t->state.step, t->length.total_steps,
                 trainer_stopped_early(t) ? ", stopped early" : "");
    trainer_rotate(t); /* checkpoint.keep_last may be another now */
}

static cso_status run(trainer *t, cso_error *err) {
    cso_pace_start(&t->pace, t->job, t->state.step, t->length.total_steps);
    if (trainer_is_complete(t))
        tell_complete(t);
    while (!trainer_is_complete(t)) {
        cso_step_report report;
        bool best;
        t->pace.evaluation_follows = evaluates_after(t, t->state.step + 1);
        tell_standing(t, t->state.step + 1);
        cso_profile_start(t->job->profile);
        cso_status status = trainer_step(t, &report, err);
        cso_profile_stop();
        if (status == CSO_ERR_NUMERIC)
            return cso_error_prefix(err, status, "step %zu", t->state.step + 1);
        CSO_TRY(status);
        if (!report.skipped)
            trainer_proven(t);
        const cso_train_state before = t->state;
        CSO_TRY(evaluate(t, &report, &best, err));
        CSO_TRY(write_metrics(t, &report, err));
        if (report.skipped)
            CSO_TRY(account_skipped(t, &report, err));
        if (t->job->observer.step)
            t->job->observer.step(t->job->observer.context, &report);
        bool save_asked;
        int signal = trainer_share_signals(t, &save_asked);
        bool last = trainer_is_complete(t), stop = !last && signal != 0;
        CSO_TRY(save(t, &report, &before, best, save_asked, last || stop, err));
        tell_standing(t, 0);
        if (stop)
            return fail_stopped(t, signal, err);
        if (last && trainer_stopped_early(t))
            trainer_note(t, "stopped at step %zu: no better evaluation loss for %zu evaluations", t->state.step,
                         t->state.no_better);
    }
    return finish(t, err);
}

cso_status cso_train(const cso_train_job *job, cso_error *err) {
    trainer t;
    /* From here on a signal to one process waits for the others: all have begun when the run's folder changes. */
    if (job->observer.standing)
        job->observer.standing(job->observer.context, &(cso_train_standing){0});
    cso_status status = trainer_open(&t, job, err);
    if (status == CSO_OK)
        status = run(&t, err);
    trainer_close(&t);
    return status;
}
