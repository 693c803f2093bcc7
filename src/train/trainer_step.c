/* trainer_step.c - one optimizer step, top to bottom: trainer_step.
 *
 * A step reads, computes, checks, and only then writes: parameters and moments change after loss and gradient were found to
 * be finite, so whatever fails leaves the state of the step before. What a step does is a function of (configuration, data,
 * step): order of examples, dropout and learning rate need no state beside the step's number.
 */
#include "trainer_parts.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a step is made of and what its update takes. */
typedef struct step_plan {
    const size_t *examples; /* (n) indexes into the training data */
    size_t n;
    double rate;  /* learning rate */
    double norm;  /* of the gradient */
    double scale; /* that clips the gradient */
} step_plan;

/* The examples and the learning rate of the step that comes next. */
static step_plan plan_step(trainer *t) {
    const cso_run_config *config = t->job->config;
    size_t epoch = t->state.step / t->length.epoch_steps, count = t->job->train->count, size = config->train.batch_size;
    size_t at = t->state.step % t->length.epoch_steps * size;
    if (epoch != t->epoch) {
        cso_dataset_order(t->job->train, config->data.shuffle, config->train.seed, epoch, t->order);
        t->epoch = epoch;
    }
    double rate = cso_schedule_rate(config->train.schedule, config->train.learning_rate, t->state.step, t->length.warmup_steps,
                                    t->length.total_steps);
    return (step_plan){.examples = t->order + at, .n = count - at < size ? count - at : size, .rate = rate};
}

static void warn_if_recut(trainer *t, const cso_batch_result *result) {
    if (result->recut && !t->recut)
        trainer_warn(t,
                     "step %zu: there is less memory than when the run began (train.memory_gib), and the batch is cut into other "
                     "trees: the run will differ in last bits",
                     t->state.step + 1);
    t->recut |= result->recut;
}

/* Loss and gradient, checked; nothing else is changed. CSO_ERR_NUMERIC where anything is NaN or Inf, or the update would be. */
static cso_status compute_gradient(trainer *t, step_plan *p, cso_batch_result *result, cso_error *err) {
    double limit = t->job->config->train.max_grad_norm;
    memset(t->grads, 0, t->adamw.n * sizeof *t->grads);
    cso_engine_set_step(t->job->engine, t->job->config->train.seed, t->state.step);
    CSO_TRY(cso_batch_run(&t->train, t->job->adapter, p->examples, p->n, t->grads, result, err));
    warn_if_recut(t, result);
    p->norm = cso_grad_norm(t->grads, t->adamw.n);
    p->scale = limit > 0 ? fmin(1, limit / (p->norm + 1e-6)) : 1;
    CSO_TRY(trainer_check_gradient(t, p->norm, p->examples, p->n, err));
    return trainer_check_update(t, p->scale, p->rate, p->examples, p->n, err);
}

/* An update that changed nothing: too small for f32, which the settings are to blame for, or never made. */
static cso_status fail_unchanged(const trainer *t, const step_plan *p, cso_error *err) {
    const cso_run_config *config = t->job->config;
    if (cso_adamw_was_lost(&t->adamw, p->rate))
        return cso_fail(
            err, CSO_ERR_USAGE,
            "step %zu: train.learning_rate %g with train.eps %g makes updates that f32 rounds away: the adapter is as it "
            "was (expected a higher learning rate)",
            t->state.step + 1, config->train.learning_rate, config->train.eps);
    return cso_fail(err, CSO_ERR_INTERNAL, "step %zu: the optimizer left the adapter as it was (learning rate %g)",
                    t->state.step + 1, p->rate);
}

/* Updates the parameters, and checks once that an update does change them. */
static cso_status update(trainer *t, const step_plan *p, const cso_batch_result *result, cso_error *err) {
    cso_adapter *adapter = t->job->adapter;
    char before[33] = "", after[33];
    bool check = !t->moved && p->rate > 0 && result->largest_weight > 0;
    if (check)
        cso_adapter_fingerprint(adapter, before);
    cso_adamw_step(&t->adamw, cso_engine_context(t->job->engine), t->grads, p->scale, p->rate);
    if (check) {
        cso_adapter_fingerprint(adapter, after);
        if (!strcmp(before, after))
            return fail_unchanged(t, p, err);
        t->moved = true;
    }
    return CSO_OK;
}

/* The step is done, or skipped. */
static void advance(trainer *t, bool skipped) {
    t->state.skipped += skipped;
    t->state.skipped_in_row = skipped ? t->state.skipped_in_row + 1 : 0;
    size_t done = ++t->state.step, in_epoch = (done - 1) % t->length.epoch_steps + 1;
    t->state.epoch = (double)done / (double)t->length.epoch_steps;
    t->state.position = in_epoch == t->length.epoch_steps ? 0 : in_epoch * t->job->config->train.batch_size;
}

static cso_step_report make_report(const trainer *t, const step_plan *p, const cso_batch_result *result, double seconds) {
    cso_step_report report = {
        .step = t->state.step,
        .total_steps = t->length.total_steps,
        .epoch = t->state.epoch,
        .metric_names = t->table.names,
        .grad_norm = p->norm,
        .learning_rate = p->rate,
        .tokens = result->tokens,
        .tokens_unshared = result->tokens_unshared,
        .trees = result->trees,
        .seconds = seconds,
        .reference_seconds = result->reference_seconds,
        .tokens_per_second = (double)result->tokens / seconds,
        .gflops = result->flops / seconds / 1e9,
        .seconds_left = cso_pace_left(&t->pace),
        .skipped = t->state.skipped_in_row > 0,
    };
    memcpy(report.metrics, result->metrics, sizeof report.metrics);
    return report;
}

cso_status trainer_step(trainer *t, cso_step_report *report, cso_error *err) {
    cso_batch_result result;
    double began = cso_clock();
    step_plan p = plan_step(t);
    cso_pace_begin(&t->pace, false);
    cso_status status = compute_gradient(t, &p, &result, err); /* step.c: trees, log-probabilities, loss, gradient */
    bool skipped = status == CSO_ERR_NUMERIC && t->job->config->train.max_skipped > 0;
    if (!skipped) {
        CSO_TRY(status);
        CSO_TRY(trainer_check_reached(t, &result, err));
        CSO_TRY(update(t, &p, &result, err));
    }
    double seconds = cso_clock() - began;
    advance(t, skipped);
    cso_pace_end(&t->pace);
    t->state.tokens_seen += skipped ? 0 : result.tokens_unshared;
    *report = make_report(t, &p, &result, seconds);
    if (skipped)
        snprintf(report->reason, sizeof report->reason, "%.255s", err->message);
    return CSO_OK;
}
