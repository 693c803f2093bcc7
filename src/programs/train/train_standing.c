/* train_standing.c - what cso-train answers to a signal: how long the step still takes, and what is lost if it is not waited for. */
#include "base/signals.h"
#include "train_watch.h"

#include <stdio.h>

/* The run's first step, by the plan. */
double watch_first_step(const cso_run_config *config, const cso_train_plan *plan) {
    const cso_train_time *time = &plan->time[config->model.compute];
    const cso_train_length *length = &plan->length;
    size_t reference_steps = length->epoch_steps < length->total_steps ? length->epoch_steps : length->total_steps;
    double seconds = time->steps / (double)length->total_steps + time->reference / (double)reference_steps;
    bool evaluates = plan->evaluations && (config->log.eval_every_steps == 1 || length->total_steps == 1);
    return seconds + (evaluates ? time->evaluation / (double)plan->evaluations : 0);
}

/* What a signal is answered in this step, and what is lost if the process ends at once. */
void watch_standing(void *context, const cso_train_standing *now) {
    train_watch *watch = context;
    char lost[160];
    size_t last = now->step ? now->step : now->done, first = now->saved + 1;
    int used = 0;
    if (first > last)
        snprintf(lost, sizeof lost, "nothing is lost since checkpoint-%zu", now->saved);
    else if (first == last)
        used = snprintf(lost, sizeof lost, "step %zu%s", first, now->saved ? "" : " is lost, there is no checkpoint yet");
    else
        used = snprintf(lost, sizeof lost, "steps %zu to %zu%s", first, last,
                        now->saved ? "" : " are lost, there is no checkpoint yet");
    if (used && now->saved)
        snprintf(lost + used, sizeof lost - (size_t)used, " since checkpoint-%zu %s lost", now->saved,
                 first == last ? "is" : "are");
    cso_signals_step(now->seconds > 0 ? now->seconds : watch->first_step_seconds, lost);
    watch->first_step_seconds = 0; /* later steps are estimated from those before */
}
