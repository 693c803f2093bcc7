/* log_history.h - log_history of trainer_state.json: what Hugging Face's Trainer logs, an entry for each interval of steps and for
 * each evaluation.
 *
 * An entry of training has the mean of each of the loss's metrics over the steps since the entry before (skipped ones have none),
 * and grad_norm and learning_rate of the last step. Times are left out: a resumed run has the same bytes.
 */
#ifndef CSO_LOG_HISTORY_H
#define CSO_LOG_HISTORY_H

#include "io/json.h"
#include "metrics_log.h"

typedef struct cso_log_history {
    cso_text entries; /* "    {...}", separated by ",\n" */
    size_t count;     /* steps since the last entry of training that were not skipped */
    size_t n;         /* of sums */
    double sums[CSO_MAX_METRICS];
    size_t counts[CSO_MAX_METRICS]; /* of these steps those that had the metric */
} cso_log_history;

/* Steps from one entry to the next: 1 in a run of up to 10,000 steps, so many in longer ones that there are at most 10,000 entries
 * of training. A save writes all of them, which must not take longer and longer. */
size_t cso_log_history_every(size_t total_steps);
/* Adds a step; the entry of training comes at every `every`-th one. */
cso_status cso_log_history_add(cso_log_history *history, const cso_step_report *report, size_t every, cso_error *err);
void cso_log_history_free(cso_log_history *history); /* takes a zeroed one too */

/* The sums, which are of an interval that is not over, as the member "log" of cso_state.json, with a comma; and back. */
void cso_log_history_add_sums(cso_text *text, const cso_log_history *history);
cso_status cso_log_history_read_sums(cso_log_history *history, const cJSON *state, const char *place, cso_error *err);

#endif
